import hpack
import pytest

from towpath._wire.hpack import Encoder
from towpath._wire.http.fields import Field

HEAD: list[Field] = [(b":method", b"POST"), (b":path", b"/echo.v1.Echo/Say"), (b"te", b"trailers")]


def decoded(reference: hpack.Decoder, block: bytes) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in reference.decode(block, raw=True)]


def test_what_was_indexed_once_is_sent_as_one_byte_each() -> None:
    encoder = Encoder()
    first = encoder.encode(HEAD)
    assert len(first) > 20
    assert encoder.encode(HEAD) == bytes((0x83, 0xBF, 0xBE))


def test_literals_and_secrets_stay_out_of_the_table() -> None:
    encoder = Encoder()
    reference = hpack.Decoder()
    literals = [(b"grpc-timeout", b"1S"), (b"authorization", b"x")]
    never = [(b"x-secret", b"s"), (b"cookie", b"c")]
    block = encoder.encode([(b":method", b"POST")], literals, never)
    fields = list(reference.decode(block, raw=True))
    assert fields == [(b":method", b"POST"), *literals, *never]
    assert [isinstance(field, hpack.NeverIndexedHeaderTuple) for field in fields] == [False, False, False, True, True]
    assert not reference.header_table.dynamic_entries
    assert encoder.generation == 0
    assert b"\x0cgrpc-timeout\x021S" in block
    assert b"\x0f\x08\x01x" in block  # authorization, by its static index 23


def test_a_name_in_the_dynamic_table_is_referred_to() -> None:
    encoder = Encoder()
    reference = hpack.Decoder()
    decoded(reference, encoder.encode([(b"x-tenant", b"a")]))
    block = encoder.encode([(b"x-tenant", b"b")])
    assert block[0] == 0x40 | 62
    assert decoded(reference, block) == [(b"x-tenant", b"b")]


def test_a_field_larger_than_the_table_is_sent_without_indexing() -> None:
    encoder = Encoder(max_table_size=64)
    reference = hpack.Decoder()
    fields = [(b"x", b"v" * 100), (b"y", b"w")]
    assert decoded(reference, encoder.encode(fields)) == fields
    assert decoded(reference, encoder.encode(fields)) == fields
    assert list(reference.header_table.dynamic_entries) == [(b"y", b"w")]


class TestIndexedBytes:
    def test_are_given_once_every_field_is_in_a_table(self) -> None:
        encoder = Encoder()
        assert encoder.encode_indexed(HEAD) is None
        encoder.encode(HEAD)
        assert encoder.encode_indexed(HEAD) == encoder.encode(HEAD)

    def test_of_static_fields_need_no_block_before(self) -> None:
        assert Encoder().encode_indexed(((b":status", b"200"), (b":method", b"GET"))) == b"\x88\x82"

    def test_are_withheld_while_a_size_update_is_due(self) -> None:
        encoder = Encoder()
        encoder.encode(HEAD)
        encoder.set_peer_max_table_size(2048)
        assert encoder.encode_indexed(HEAD) is None
        assert encoder.encode(HEAD) == bytes.fromhex("3fe10f83bfbe")
        assert encoder.encode_indexed(HEAD) == bytes.fromhex("83bfbe")


class TestGeneration:
    def test_grows_with_an_insertion_only(self) -> None:
        encoder = Encoder()
        encoder.encode(HEAD)
        before = encoder.generation
        encoder.encode(HEAD, [(b"a", b"b")])
        assert encoder.generation == before
        encoder.encode([(b"a", b"b")])
        assert encoder.generation > before

    @pytest.mark.parametrize("size", [0, 100, 4095, 5000])
    def test_grows_with_a_resize_even_if_nothing_is_evicted(self, size: int) -> None:
        encoder = Encoder(max_table_size=8192)
        before = encoder.generation
        encoder.set_peer_max_table_size(size)
        assert encoder.generation > before


class TestTableSize:
    @pytest.mark.parametrize(
        ("sizes", "update"),
        [
            pytest.param([], "", id="none"),
            pytest.param([4096], "", id="unchanged"),
            pytest.param([1024], "3fe107", id="smaller"),
            pytest.param([0], "20", id="zero"),
            pytest.param([8192], "3fe13f", id="larger"),
            pytest.param([2**32 - 1], "3fe13f", id="larger than our cap"),
            pytest.param([100, 1024], "3f453fe107", id="least, then final"),
            pytest.param([1024, 100, 50, 1024, 2048], "3f133fe10f", id="least of many, then final"),
            pytest.param([100, 4096], "3f453fe11f", id="back to where it was"),
            pytest.param([1024, 100], "3f45", id="falling"),
        ],
    )
    def test_changes_are_announced_at_the_start_of_the_next_block(self, sizes: list[int], update: str) -> None:
        encoder = Encoder(max_table_size=8192)
        for size in sizes:
            encoder.set_peer_max_table_size(size)
        assert encoder.encode([(b":method", b"GET")]).hex() == update + "82"
        assert encoder.encode([(b":method", b"GET")]).hex() == "82"

    def test_a_cap_below_the_initial_size_is_announced(self) -> None:
        assert Encoder(max_table_size=0).encode([(b":method", b"GET")]).hex() == "2082"

    def test_shrinking_evicts_the_oldest(self) -> None:
        encoder = Encoder()
        encoder.encode([(b"x", b"1"), (b"x", b"2"), (b"y", b"3")])
        encoder.set_peer_max_table_size(34)
        assert encoder.encode([(b"y", b"3")]).hex() == "3f03be"
        assert encoder.encode([(b"x", b"2")]).startswith(b"\x40")
