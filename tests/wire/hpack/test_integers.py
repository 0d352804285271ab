import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.hpack.errors import HpackError
from towpath._wire.hpack.integers import decode_integer, encode_integer

MASKS = [2**bits - 1 for bits in range(1, 9)]


@pytest.mark.parametrize(
    ("value", "mask", "encoded"),
    [
        pytest.param(10, 0x1F, "0a", id="C.1.1"),
        pytest.param(1337, 0x1F, "1f9a0a", id="C.1.2"),
        pytest.param(42, 0xFF, "2a", id="C.1.3"),
        pytest.param(0x7F, 0x7F, "7f00", id="just past the prefix"),
        pytest.param(2**32 - 1, 0x7F, "7f80ffffff0f", id="largest"),
    ],
)
def test_examples_in_both_directions(value: int, mask: int, encoded: str) -> None:
    wire = bytes.fromhex(encoded)
    assert encode_integer(value, mask, 0) == wire
    assert decode_integer(wire, 0, mask) == (value, len(wire))


@given(st.integers(0, 2**32 - 1), st.sampled_from(MASKS), st.integers(0, 255), st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip_leaves_flags_and_neighbours_alone(value: int, mask: int, flags: int, before: bytes, after: bytes) -> None:
    flags &= ~mask
    encoded = encode_integer(value, mask, flags)
    assert encoded[0] & ~mask == flags
    assert decode_integer(before + encoded + after, len(before), mask) == (value, len(before) + len(encoded))


def test_zero_digits_at_the_end_are_read_up_to_the_bound() -> None:
    assert decode_integer(bytes.fromhex("7f8080808000"), 0, 0x7F) == (127, 6)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("", "ends where an integer should start"),
        ("7f", "ends inside an integer"),
        ("7f80", "ends inside an integer"),
        ("7f8080808080", "more than 5 bytes"),
        ("7f808080808000", "more than 5 bytes"),
        ("7f81ffffff0f", "integer 4294967296 does not fit in 32 bits"),
        ("7fffffffff0f", "does not fit in 32 bits"),
        ("7fffffffff7f", "does not fit in 32 bits"),
    ],
)
def test_malformed_integers_are_refused(wire: str, reason: str) -> None:
    with pytest.raises(HpackError, match=rf"{reason}.*RFC 7541 5\.1"):
        decode_integer(bytes.fromhex(wire), 0, 0x7F)
