"""Both directions against the `hpack` package over many blocks with shared state, and the remembered runs against decoding without them."""

from collections.abc import Callable, Sequence

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from towpath._wire.hpack import Decoder, Encoder, HeaderBlock, HeaderListTooLarge, HpackError, literal
from towpath._wire.hpack.integers import encode_integer
from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX, STATIC_TABLE
from towpath._wire.http.fields import Field

pytestmark = pytest.mark.untraced

LARGEST_TABLE = 8192
LIST_LIMIT = 2000

# Few distinct names and values, so that they recur; some long, so that they evict.
names = st.one_of(
    st.sampled_from([b":path", b"te", b"content-type", b"authorization", b"x-tenant", b"grpc-timeout"]),
    st.binary(min_size=1, max_size=3),
)
values = st.one_of(
    st.sampled_from([b"", b"trailers", b"application/grpc", b"/a.B/C", b"x" * 126, b"x" * 127, b"y" * 1500, b"\xff" * 40]),
    st.binary(max_size=4),
)
fields = st.lists(st.one_of(st.tuples(names, values), st.sampled_from(STATIC_TABLE[1:])), max_size=6)
table_sizes = st.one_of(st.sampled_from([0, 31, 32, 100, 1000, 4096, LARGEST_TABLE]), st.integers(0, LARGEST_TABLE))


def fields_of(block: HeaderBlock) -> list[Field]:
    return [*block.known.fields, *block.extra]


def outcome(decode: Callable[[bytes], HeaderBlock], block: bytes) -> list[Field] | tuple[type[Exception], str]:
    """The fields, or how the block was refused."""
    try:
        return fields_of(decode(block))
    except (HeaderListTooLarge, HpackError) as error:
        return type(error), str(error)


def reference_decode(decoder: hpack.Decoder, block: bytes) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


class OurEncoder(RuleBasedStateMachine):
    """Our encoder, read by the reference and by ourselves."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(max_table_size=LARGEST_TABLE)
        self.reference = hpack.Decoder()
        self.reference.max_allowed_table_size = LARGEST_TABLE
        self.decoder = Decoder(max_table_size=LARGEST_TABLE)
        self.kept: dict[tuple[Field, ...], tuple[int, bytes]] = {}

    def check(self, block: bytes, expected: Sequence[Field]) -> None:
        assert reference_decode(self.reference, block) == list(expected)
        assert fields_of(self.decoder.decode(block)) == list(expected)

    @rule(indexed=fields, literals=fields, never=fields)
    def encode(self, indexed: list[Field], literals: list[Field], never: list[Field]) -> None:
        self.check(self.encoder.encode(indexed, literals, never), [*indexed, *literals, *never])
        block = self.encoder.encode_indexed(indexed)
        if block is not None:
            self.kept[tuple(indexed)] = (self.encoder.generation, block)

    @rule(extra=fields)
    def send_kept_bytes_with_literals(self, extra: list[Field]) -> None:
        appended = b"".join(literal(name, value) for name, value in extra)
        for indexed, (generation, block) in self.kept.items():
            if generation == self.encoder.generation:
                self.check(block + appended, [*indexed, *extra])

    @rule(size=table_sizes)
    def resize(self, size: int) -> None:
        self.encoder.set_peer_max_table_size(size)

    @invariant()
    def tables_agree(self) -> None:
        if self.encoder.encode_indexed(()) is not None:  # no size update is due
            entries = list(reversed(self.encoder.table.entries))
            assert list(self.reference.header_table.dynamic_entries) == entries
            assert self.decoder.table.entries[FIRST_DYNAMIC_INDEX:] == entries
            assert self.decoder.table.size == self.encoder.table.size <= self.encoder.table.max_size


class TheirEncoder(RuleBasedStateMachine):
    """The reference's encoder, read by us."""

    def __init__(self) -> None:
        super().__init__()
        self.reference = hpack.Encoder()
        self.decoder = Decoder(max_table_size=LARGEST_TABLE, max_list_size=LIST_LIMIT)

    @rule(sent=st.lists(st.tuples(names, values, st.booleans()), max_size=6), huffman=st.booleans())
    def encode(self, sent: list[tuple[bytes, bytes, bool]], huffman: bool) -> None:
        expected = [(name, value) for name, value, _ in sent]
        size = sum(len(name) + len(value) + 32 for name, value in expected)
        got = outcome(self.decoder.decode, self.reference.encode(sent, huffman=huffman))
        assert got == (expected if size <= LIST_LIMIT else (HeaderListTooLarge, str(HeaderListTooLarge(size, LIST_LIMIT))))

    @rule(size=table_sizes)
    def resize(self, size: int) -> None:
        if size != self.reference.header_table_size:  # setting the same size again makes it forget that an update is due
            self.reference.header_table_size = size

    @invariant()
    def tables_agree(self) -> None:
        if not self.reference.header_table.resized:
            assert self.decoder.table.entries[FIRST_DYNAMIC_INDEX:] == list(self.reference.header_table.dynamic_entries)


TestOurEncoder = OurEncoder.TestCase
TestTheirEncoder = TheirEncoder.TestCase
TestOurEncoder.settings = TestTheirEncoder.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


def string(text: bytes) -> bytes:
    return encode_integer(len(text), 0x7F, 0) + text


indexes = st.one_of(st.integers(1, 61), st.integers(61, 66), st.integers(0, 200))
strings = st.one_of(
    st.sampled_from([b"", b"a", b"b" * 30, b"c" * 126, b"d" * 127]).map(string), st.sampled_from([b"\x81\x1f", b"\x81\xff", b"\x05"])
)
kinds = st.sampled_from([(0x3F, 0x40), (0x0F, 0x00), (0x0F, 0x00), (0x0F, 0x00), (0x0F, 0x10)])
instructions = st.one_of(
    indexes.map(lambda index: encode_integer(index, 0x7F, 0x80)),
    st.sampled_from([b"\x82", b"\x83\x86", b"\x88\xbe", b"\xbe\xbf\xc0"]),
    st.builds(lambda kind, index, value: encode_integer(index, *kind) + (value if index else b"\x01n" + value), kinds, indexes, strings),
    st.builds(lambda kind, name, value: bytes((kind[1],)) + name + value, kinds, strings, strings),
    st.sampled_from([literal(b"grpc-timeout", b"1S"), literal(b"traceparent", b"0" * 55)]),
)
updates = st.integers(0, 300).map(lambda size: encode_integer(size, 0x1F, 0x20))
blocks = st.builds(
    lambda start, rest: b"".join(start + rest), st.one_of(st.just([]), st.lists(updates, max_size=2)), st.lists(instructions, max_size=8)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(blocks, blocks.map(lambda block: block[:-1])), max_size=5), st.lists(st.integers(0, 4), max_size=12))
def test_remembered_runs_never_change_what_is_decoded(pool: list[bytes], order: list[int]) -> None:
    decoder = Decoder(max_list_size=1000)
    plain = Decoder(max_list_size=1000)
    for block in [*pool, *(pool[which] for which in order if which < len(pool))]:
        # A block with nothing but an update that changes no size takes the memory of runs away.
        plain.decode(encode_integer(plain.table.max_size, 0x1F, 0x20))
        expected = outcome(plain.decode, block)
        assert outcome(decoder.decode, block) == expected
        if expected[:1] == (HpackError,):
            return
        assert decoder.table.entries == plain.table.entries
        assert decoder.table.size == plain.table.size
