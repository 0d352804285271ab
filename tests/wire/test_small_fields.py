"""Messages of many small fields, read in slices: what comes of them is what protobuf's own reading makes."""

from typing import Any

import pytest
from everything.v1.everything_pb2 import Everything
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._wire.codec import PROTO
from towpath._wire.small_fields import LEAST, has_many_fields, read_in_slices

LIMIT = 4 << 20


def varint(number: int, spare: int = 0) -> bytes:
    """A number, written in `spare` bytes more than it needs."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(written) + (bytes([number]) if not spare else bytes([number | 0x80]) + b"\x80" * (spare - 1) + b"\0")


def tagged(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def delimited(number: int, content: bytes) -> bytes:
    return tagged(number, 2) + varint(len(content)) + content


NUMBERS = st.lists(st.integers(0, 2**64 - 1).map(varint) | st.integers(0, 100).map(lambda one: varint(one, 2)), max_size=30).map(b"".join)
LEAVES = st.one_of(
    *(NUMBERS.map(lambda numbers, field=field: delimited(field, numbers)) for field in (32, 33, 34, 35, 38)),
    st.integers(0, 2**64 - 1).map(lambda one: tagged(33, 0) + varint(one)),
    st.binary(min_size=8, max_size=8).map(lambda data: tagged(10, 1) + data),
    st.binary(min_size=4, max_size=4).map(lambda data: tagged(9, 5) + data),
    st.lists(st.floats(allow_nan=False), max_size=9).map(lambda all_: Everything(doubles=all_).SerializeToString()),
    st.text(max_size=40).map(lambda text: delimited(36, text.encode())),
    st.text(max_size=9).map(lambda text: Everything(strings_by_string={text: text}, chosen_string=text).SerializeToString()),
    st.binary(max_size=9).map(lambda data: delimited(2000, data)),
    st.integers(0, 2**40).map(lambda one: tagged(2001, 3) + tagged(1, 0) + varint(one) + tagged(2001, 4)),
)
BODIES = st.recursive(
    st.lists(LEAVES, max_size=8).map(b"".join),
    lambda inner: st.lists(LEAVES | st.tuples(st.sampled_from([17, 39, 52]), inner).map(lambda found: delimited(*found)), max_size=5).map(
        b"".join
    ),
    max_leaves=12,
)


@given(BODIES, st.integers(1, 50))
def test_slices_make_the_message_that_the_whole_makes(raw: bytes, size: int) -> None:
    whole, sliced = Everything.FromString(raw), read_in_slices(Everything, raw, size)
    assert sliced.SerializeToString(deterministic=True) == whole.SerializeToString(deterministic=True)


def test_others_have_a_turn_behind_each_slice() -> None:
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    raw = delimited(33, b"\1" * 1000)
    assert read_in_slices(Everything, raw, 100, pause=pause) == Everything.FromString(raw)
    assert pauses == 10


@given(BODIES, st.integers(1, 50), st.data())
def test_what_is_cut_off_is_no_message_in_slices_either(raw: bytes, size: int, drawn: st.DataObject) -> None:
    raw = raw[: drawn.draw(st.integers(0, len(raw)))]
    try:
        whole = Everything.FromString(raw)
    except DecodeError:
        with pytest.raises((DecodeError, IndexError)):
            read_in_slices(Everything, raw, size)
    else:
        assert read_in_slices(Everything, raw, size) == whole


MANY = {
    "packed": delimited(33, b"\1" * LEAST * 2),
    "unpacked": (tagged(33, 0) + b"\1") * (LEAST // 2),
    "strings": delimited(36, b"") * (LEAST // 2),
    "in a message": delimited(17, delimited(2, b"") + delimited(38, b"\1" * LEAST * 2)),
    "in a message of a oneof": delimited(52, (tagged(33, 0) + b"\1") * (LEAST // 2)),
}
FEW = {
    "small": delimited(33, b"\1" * (LEAST // 2)),
    "one large": delimited(15, bytes(LEAST * 2)),
    "some large": delimited(37, bytes(1000)) * 1000,
    "doubles": delimited(30, bytes(LEAST * 2)),
    "one large in a message": delimited(17, delimited(15, bytes(LEAST * 2))),
    "unknown": delimited(2000, b"\1" * LEAST * 2),
    "cut off": delimited(15, bytes(LEAST * 2))[:-1] + b"",
    "cut off in a length": delimited(15, bytes(LEAST * 2)) + tagged(33, 2),
    "a tag without end": delimited(15, bytes(LEAST * 2)) + b"\xff" * 20,
}


@pytest.mark.parametrize("name", MANY)
def test_many_small_fields_are_costly(name: str) -> None:
    raw = MANY[name]
    assert has_many_fields(Everything, raw)
    assert PROTO.is_costly(raw, Everything, LIMIT)
    assert PROTO.decode(raw, Everything, LIMIT) == Everything.FromString(raw)
    for cut in (raw[:-1] + b"\xff", raw + tagged(33, 2) + b"\5"):
        with pytest.raises(RpcError, match=r"(the request is not a|this is no) everything\.v1\.Everything: ") as caught:
            PROTO.decode(cut, Everything, LIMIT)
        assert caught.value.code is Code.INTERNAL


@pytest.mark.parametrize("levels", [99, 100, 101, 3000])
def test_messages_that_are_nested_too_deeply_are_refused_as_by_protobuf(levels: int) -> None:
    raw = delimited(36, bytes(LEAST * 2))
    for _ in range(levels):
        raw = delimited(17, raw)
    try:
        whole = Everything.FromString(raw)
    except DecodeError:
        with pytest.raises(RpcError, match=r"the request is not a everything\.v1\.Everything: ") as caught:
            PROTO.decode(raw + delimited(36, b"") * LEAST, Everything, LIMIT)
        assert caught.value.code is Code.INTERNAL
        with pytest.raises(DecodeError):
            read_in_slices(Everything, raw)
    else:
        assert read_in_slices(Everything, raw) == whole


@pytest.mark.parametrize("name", FEW)
def test_few_fields_are_not_costly_however_large_they_are(name: str) -> None:
    assert not has_many_fields(Everything, FEW[name])


def sizes_of_slices(*messages: bytes) -> list[int]:
    sizes: list[int] = []

    class Message:
        DESCRIPTOR = Everything.DESCRIPTOR

        def MergeFromString(self, part: bytes) -> None:  # noqa: N802 # protobuf's name
            sizes.append(len(part))

    for raw in messages:
        noted: Any = Message  # as much of a message as is used
        read_in_slices(noted, raw)
    return sizes


def test_no_slice_is_much_larger_than_it_should_be() -> None:
    """So that other threads run in between."""
    sizes = sizes_of_slices(*MANY.values())
    assert max(sizes) < 66_000
    assert sum(sizes) > sum(map(len, MANY.values()))


def test_what_would_take_long_to_cut_is_read_in_one_piece() -> None:
    """As many groups take Python a hundred times as long as upb."""
    raw = (tagged(2001, 3) + tagged(2001, 4)) * 250_000
    assert max(sizes_of_slices(raw)) > len(raw) * 3 // 4
    assert PROTO.decode(raw, Everything, LIMIT) == Everything.FromString(raw)
    with pytest.raises(RpcError, match="the request is not a everything"):
        PROTO.decode(raw + tagged(2001, 3), Everything, LIMIT)


@pytest.mark.parametrize("size", [0, 1, 63, 64, 127, 128, 129, 300])
def test_fields_of_any_size_are_read_as_by_protobuf(size: int) -> None:
    string, group = delimited(36, b"a" * size), tagged(2001, 3) + delimited(7, bytes(size)) + tagged(2001, 4)
    raw = (string + varint(2000 << 3, 3) + varint(300, 4) + group + tagged(10, 1) + bytes(8) + tagged(9, 5) + b"\n\n\n\n") * 2000
    assert read_in_slices(Everything, raw, 1000) == Everything.FromString(raw)
