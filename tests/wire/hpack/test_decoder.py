import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.hpack import Decoder, Encoder, HeaderBlock, HeaderListTooLarge, HpackError, literal
from towpath._wire.hpack.static_table import FIRST_DYNAMIC_INDEX, STATIC_NAMES, STATIC_TABLE
from towpath._wire.http.fields import Field

HEAD: list[Field] = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/echo.v1.Echo/Say"), (b"te", b"trailers")]
TIMEOUT: Field = (b"grpc-timeout", b"1999m")
TRACE: Field = (b"traceparent", b"00-" + b"0" * 52)


def fields_of(block: HeaderBlock) -> list[Field]:
    return [*block.known.fields, *block.extra]


def dynamic(decoder: Decoder) -> list[Field]:
    return decoder.table.entries[FIRST_DYNAMIC_INDEX:]


def primed() -> tuple[Decoder, bytes]:
    """A decoder that has seen HEAD, and the index bytes that stand for it now."""
    encoder, decoder = Encoder(), Decoder()
    decoder.decode(encoder.encode(HEAD))
    head = encoder.encode_indexed(HEAD)
    assert head is not None
    return decoder, head


class TestKnownFields:
    def test_are_the_leading_indexes_and_the_literals_follow(self) -> None:
        decoder, head = primed()
        block = decoder.decode(head + literal(*TIMEOUT) + literal(*TRACE))
        assert block.known.fields == tuple(HEAD)
        assert block.known.size == sum(len(name) + len(value) + 32 for name, value in HEAD)
        assert block.extra == [TIMEOUT, TRACE]

    def test_are_one_object_while_the_table_stays(self) -> None:
        decoder, head = primed()
        known = decoder.decode(head + literal(*TIMEOUT)).known
        assert known.section is None
        known.section = "derived"
        others = [head, head + literal(*TRACE), b"\x83", b"\x83" + literal(*TIMEOUT), head + b"\x10\x01a\x01b", head + b"\x04\x01/", b""]
        for other in others:
            decoder.decode(other)
        for again in (head, head + literal(*TIMEOUT), head + literal(*TRACE), head + b"\x10\x01a\x01b"):
            assert decoder.decode(again).known is known
        assert known.section == "derived"

    def test_are_another_object_once_the_table_changed(self) -> None:
        decoder, head = primed()
        known = decoder.decode(head).known
        decoder.decode(bytes.fromhex("4001610162"))
        again = decoder.decode(head).known
        assert again is not known
        assert again.fields == (*HEAD[:2], HEAD[3], (b"a", b"b"))  # every index means the entry one place newer
        decoder.decode(bytes.fromhex("3fe10f"))
        assert decoder.decode(head).known is not again

    def test_end_where_the_indexes_end(self) -> None:
        decoder, head = primed()
        block = decoder.decode(head + literal(*TIMEOUT) + head)
        assert block.known.fields == tuple(HEAD)
        assert block.extra == [TIMEOUT, *HEAD]

    def test_can_be_looked_up_without_decoding_for_as_long_as_they_hold(self) -> None:
        decoder, head = primed()
        recurring = decoder.recurring
        known = decoder.decode(head).known
        assert recurring[head] is known
        decoder.decode(bytes.fromhex("4001610162"))
        assert head not in recurring
        again = decoder.decode(head).known
        assert recurring[head] is again is not known
        assert decoder.recurring is recurring

    def test_are_none_after_a_size_update(self) -> None:
        decoder, head = primed()
        block = decoder.decode(bytes.fromhex("3fe10f") + head)
        assert block.known.fields == ()
        assert block.extra == HEAD

    def test_are_the_indexes_before_an_insertion(self) -> None:
        decoder, head = primed()
        block = decoder.decode(head + bytes.fromhex("4001610162be"))
        assert block.known.fields == tuple(HEAD)
        assert block.extra == [(b"a", b"b"), (b"a", b"b")]

    def test_include_indexes_of_more_than_one_byte(self) -> None:
        decoder = Decoder()
        decoder.decode(b"".join(b"\x40\x01" + bytes((i,)) + b"\x00" for i in range(80)))
        wire = bytes.fromhex("82ff0e83")
        block = decoder.decode(wire + literal(*TIMEOUT))
        assert block.known.fields == (STATIC_TABLE[2], (b"\x00", b""), STATIC_TABLE[3])
        assert block.extra == [TIMEOUT]
        assert decoder.decode(wire).known is block.known
        assert decoder.decode(b"\x82").known is not block.known
        assert decoder.decode(wire + literal(*TIMEOUT)).known is block.known

    def test_are_remembered_for_a_bounded_number_of_runs(self) -> None:
        decoder = Decoder()
        for first in range(0x81, 0xBE):
            for second in range(0x81, 0x90):
                block = decoder.decode(bytes((first, second)))
                assert block.known.fields == (STATIC_TABLE[first - 0x80], STATIC_TABLE[second - 0x80])
        assert len(decoder.recurring) <= 65

    def test_are_remembered_up_to_the_size_of_their_lists(self) -> None:
        decoder = Decoder()
        decoder.decode(b"\x40\x01a\x7f\x80\x1c" + bytes(3711))  # one entry of 3.7 KiB, which a run may name several times
        for first in range(0x81, 0xBE):
            decoder.decode(bytes((first,)) + b"\xbe" * 4)
        assert 2 <= len(decoder.recurring) <= 5
        assert sum(known.size for known in decoder.recurring.values()) <= 64 * 1024
        last = decoder.decode(b"\xbd" + b"\xbe" * 4).known
        assert decoder.decode(b"\xbd" + b"\xbe" * 4).known is last

    def test_are_not_remembered_for_long_runs(self) -> None:
        decoder = Decoder()
        wire = b"\x82" * 65
        assert decoder.decode(wire).known is not decoder.decode(wire).known
        assert decoder.decode(wire[1:]).known is decoder.decode(wire[1:]).known

    @pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 2, 1, 0, 2), (2, 0, 1)])
    def test_are_found_when_runs_of_several_lengths_alternate(self, order: tuple[int, ...]) -> None:
        wires = [b"\x88", b"\x88\x82\x83" + literal(*TIMEOUT), b"\x88\x82" + literal(*TRACE)]
        decoder = Decoder()
        known = [decoder.decode(wire).known for wire in wires]
        for which in order * 2:
            assert decoder.decode(wires[which]).known is known[which]


class TestLiterals:
    @pytest.mark.parametrize(
        "wire",
        [
            pytest.param("00 01 61 00", id="empty value"),
            pytest.param("00 00 01 62", id="empty name"),
            pytest.param("00 81 1f 81 8f", id="both Huffman"),
            pytest.param("04 01 2f", id="name by static index"),
            pytest.param("0f 08 01 78", id="name by longer static index"),
            pytest.param("10 01 61 01 62", id="never indexed"),
            pytest.param("1f 08 01 78", id="never indexed, name by index"),
            pytest.param("00 7f 00" + "61" * 127 + "01 62", id="name of 127 bytes"),
            pytest.param("00 01 61 7f 00" + "62" * 127, id="value of 127 bytes"),
            pytest.param("00 01 61 7e" + "62" * 126, id="value of 126 bytes"),
            pytest.param("00 40" + "61" * 64 + "3f" + "62" * 63, id="lengths that share no bit"),
        ],
    )
    def test_of_any_form_keep_their_place_and_the_table(self, wire: str) -> None:
        decoder, head = primed()
        entries = dynamic(decoder)
        known = decoder.decode(head).known
        [field] = decoder.decode(bytes.fromhex(wire)).extra
        block = decoder.decode(head + literal(*TIMEOUT) + bytes.fromhex(wire) + literal(*TRACE))
        assert block.known is known
        assert block.extra == [TIMEOUT, field, TRACE]
        assert dynamic(decoder) == entries

    @pytest.mark.parametrize(
        ("wire", "field"),
        [
            pytest.param("00 7f 00" + "61" * 126 + "03 02 7879", (b"a" * 126 + b"\x03", b"xy"), id="length in two bytes"),
            pytest.param("00 81 1f 7f 00" + "62" * 126 + "00", (b"a", b"b" * 126 + b"\x00"), id="Huffman"),
        ],
    )
    def test_that_would_also_parse_with_short_raw_strings_are_not_taken_for_such(self, wire: str, field: Field) -> None:
        assert Decoder().decode(bytes.fromhex(wire)).extra == [field]

    def test_share_the_names_of_the_static_table_when_they_enter_the_table(self) -> None:
        decoder = Decoder()
        decoder.decode(b"\x40\x06accept\x01a")
        assert dynamic(decoder)[0][0] is STATIC_NAMES[b"accept"]

    def test_name_an_entry_that_their_own_insertion_evicts(self) -> None:
        decoder = Decoder()
        decoder.decode(bytes.fromhex("3f05 4001610162"))  # 36 bytes: room for one
        assert fields_of(decoder.decode(bytes.fromhex("7e 0163"))) == [(b"a", b"c")]
        assert dynamic(decoder) == [(b"a", b"c")]


class TestTable:
    def test_an_entry_larger_than_the_table_empties_it(self) -> None:
        decoder = Decoder()
        decoder.decode(bytes.fromhex("3f21 4001610162"))  # 64 bytes
        block = decoder.decode(b"\x40\x01c\x20" + b"d" * 32)
        assert block.extra == [(b"c", b"d" * 32)]
        assert dynamic(decoder) == []
        assert decoder.table.size == 0
        with pytest.raises(HpackError, match="index 62"):
            decoder.decode(b"\xbe")

    def test_duplicates_are_kept(self) -> None:
        decoder = Decoder()
        decoder.decode(bytes.fromhex("4001610162") * 2)
        assert dynamic(decoder) == [(b"a", b"b")] * 2

    def test_resizing_to_zero_empties_it_and_back_starts_afresh(self) -> None:
        decoder, _ = primed()
        decoder.decode(bytes.fromhex("20 3fe11f"))
        assert dynamic(decoder) == []
        assert decoder.decode(bytes.fromhex("4001610162be")).extra == [(b"a", b"b")] * 2

    def test_starts_at_the_size_of_the_protocol_whatever_we_announce(self) -> None:
        for announced in (0, 8192):
            decoder = Decoder(max_table_size=announced)
            decoder.decode(b"".join(b"\x40\x01" + bytes((i,)) + b"\x00" for i in range(200)))
            assert len(dynamic(decoder)) == 4096 // 33


MALFORMED = [
    ("80", r"index 0 .*2\.3\.3"),
    ("be", r"index 62 .*holds 0 entries.*2\.3\.3"),
    ("ff", r"inside an integer.*5\.1"),
    ("ff80", r"inside an integer.*5\.1"),
    ("ffffffffff0f", r"32 bits.*5\.1"),
    ("ff808080808001", r"more than 5 bytes.*5\.1"),
    ("ff00", r"index 127 .*2\.3\.3"),
    ("40", r"ends where an integer should start.*5\.1"),
    ("00", r"ends where an integer should start.*5\.1"),
    ("0001", r"string of 1 bytes runs past.*5\.2"),
    ("000161", r"ends where an integer should start.*5\.1"),
    ("00016101", r"string of 1 bytes runs past.*5\.2"),
    ("0001610262", r"string of 2 bytes runs past.*5\.2"),
    ("00017f", r"ends where an integer should start.*5\.1"),
    ("007f", r"inside an integer.*5\.1"),
    ("0001617f", r"inside an integer.*5\.1"),
    ("7f", r"inside an integer.*5\.1"),
    ("7e0162", r"index 62 .*2\.3\.3"),
    ("0f", r"inside an integer.*5\.1"),
    ("0f7f0162", r"index 142 .*2\.3\.3"),
    ("008218", r"string of 2 bytes runs past.*5\.2"),
    ("0081180162", r"padding.*5\.2"),
    ("00016184ffffffff", r"EOS.*5\.2"),
    ("3f", r"inside an integer.*5\.1"),
    ("3fe21f", r"update to 4097 bytes exceeds the limit of 4096.*6\.3"),
    ("8220", r"after the first field.*4\.2"),
    ("20824020", r"string of 32 bytes runs past.*5\.2"),
    ("2040016101623fe11f", r"after the first field.*4\.2"),
    ("000161016220", r"after the first field.*4\.2"),
]


class TestMalformedBlocks:
    @pytest.mark.parametrize(("wire", "reason"), MALFORMED)
    def test_are_refused_with_what_was_wrong(self, wire: str, reason: str) -> None:
        with pytest.raises(HpackError, match=reason + r"\)$"):
            Decoder().decode(bytes.fromhex(wire))

    @pytest.mark.parametrize(("wire", "reason"), [case for case in MALFORMED if not case[0].startswith(("3f", "20", "be", "7e"))])
    def test_are_refused_behind_fields_that_are_fine(self, wire: str, reason: str) -> None:
        decoder, head = primed()
        decoder.decode(head)
        with pytest.raises(HpackError, match=reason.replace("holds 0", "holds 2")):
            decoder.decode(head + literal(*TIMEOUT) + bytes.fromhex(wire))

    def test_cut_short_anywhere_never_pass_for_the_whole(self) -> None:
        decoder, head = primed()
        whole = head + literal(*TIMEOUT) + literal(*TRACE)
        fields = fields_of(decoder.decode(whole))
        boundaries = {0, *range(1, len(head) + 1), len(head) + len(literal(*TIMEOUT))}
        for length in range(len(whole)):
            if length in boundaries:
                got = fields_of(decoder.decode(whole[:length]))
                assert got == fields[: len(got)]
            else:
                with pytest.raises(HpackError):
                    decoder.decode(whole[:length])


class TestListSize:
    HEAD_SIZE = sum(len(name) + len(value) + 32 for name, value in [*HEAD, TIMEOUT])

    def blocks(self) -> dict[str, tuple[list[bytes], bytes]]:
        """What primes the table, and the same fields in every way in which they may come."""
        encoder = Encoder()
        first = encoder.encode(HEAD)
        head = encoder.encode(HEAD)
        huffman = hpack.Encoder().encode([(*TIMEOUT, True)], huffman=True)
        more = encoder.encode([TIMEOUT])
        return {
            "indexes and a raw literal": ([first], head + literal(*TIMEOUT)),
            "indexes and a Huffman literal": ([first], head + huffman),
            "insertions": ([], first + literal(*TIMEOUT)),
            "indexes only": ([first, more], encoder.encode([*HEAD, TIMEOUT])),
        }

    @pytest.mark.parametrize("how", ["indexes and a raw literal", "indexes and a Huffman literal", "insertions", "indexes only"])
    @pytest.mark.parametrize("times", [1, 3])
    def test_is_accepted_up_to_the_limit_and_refused_beyond(self, how: str, times: int) -> None:
        priming, wire = self.blocks()[how]
        for limit, fits in ((self.HEAD_SIZE, True), (self.HEAD_SIZE - 1, False)):
            decoder = Decoder(max_list_size=limit)
            for block in priming:
                decoder.decode(block)
            for _ in range(times):
                if fits:
                    assert fields_of(decoder.decode(wire)) == [*HEAD, TIMEOUT]
                    continue
                with pytest.raises(HeaderListTooLarge) as caught:
                    decoder.decode(wire)
                assert (caught.value.size, caught.value.limit) == (self.HEAD_SIZE, limit)

    def test_of_an_excessive_block_leaves_the_table_in_step(self) -> None:
        encoder, decoder = Encoder(), Decoder(max_list_size=200)
        with pytest.raises(HeaderListTooLarge, match="exceeds the limit of 200 bytes"):
            decoder.decode(encoder.encode([(b"big", b"x" * 300), *HEAD]))
        assert dynamic(decoder) == [*reversed(HEAD[2:]), (b"big", b"x" * 300)]
        assert fields_of(decoder.decode(encoder.encode(HEAD[2:]))) == HEAD[2:]
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(encoder.encode([(b"big", b"x" * 300)]))

    def test_stops_a_bomb_of_references(self) -> None:
        decoder = Decoder()
        decoder.decode(b"\x40\x01a\x7f\x81\x1e" + b"b" * 3968)
        with pytest.raises(HeaderListTooLarge) as caught:
            decoder.decode(b"\xbe" * 8_000)
        assert caught.value.size == 8_000 * (1 + 3968 + 32)
        with pytest.raises(HpackError, match="more than 16 times the limit"):
            decoder.decode(b"\xbe" * 10_000)

    def test_does_not_read_to_its_end_what_is_far_too_large(self) -> None:
        """Else a block of inserts of two bytes each would take a hundred times as long as one of the same size that means something."""
        decoder = Decoder(max_list_size=1000)
        with pytest.raises(HeaderListTooLarge):
            decoder.decode(b"\x41\x00" * 380)
        with pytest.raises(HpackError, match="more than 16 times the limit of 1000 bytes"):
            decoder.decode(b"\x41\x00" * 381)

    def test_stops_a_flood_of_size_updates(self) -> None:
        decoder = Decoder()
        assert fields_of(decoder.decode(b"\x20\x3f\xe1\x1f" * 8 + b"\x82")) == [(b":method", b"GET")]
        with pytest.raises(HpackError, match="over 16 dynamic table size updates"):
            decoder.decode(b"\x20\x3f\xe1\x1f" * 9 + b"\x82")

    def test_does_not_hide_that_a_block_is_malformed(self) -> None:
        with pytest.raises(HpackError):
            Decoder(max_list_size=10).decode(b"\x82\x82\x80")


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_random_bytes_are_decoded_or_refused(blocks: list[bytes]) -> None:
    decoder = Decoder(max_list_size=400)
    for block in blocks:
        try:
            decoder.decode(block)
        except HeaderListTooLarge:
            continue
        except HpackError:
            return
