"""How many messages protobuf's own form may hold: the count beside what upb makes of the same bytes."""

import struct
from typing import Any

import pytest
from everything.v1 import everything_pb2 as pb
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, message_factory, struct_pb2
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.json.test_differential import messages
from towpath._core.errors import Code, RpcError
from towpath._wire.codec import JSON, PROTO
from towpath._wire.compression import GZIP, Unfolded
from towpath._wire.elements import check_elements, has_more, is_recursive, json_elements, shape_of, weight_of

LIMIT = 256 * 1024
MOST = LIMIT // 8
"""The least that goes with any limit, too."""
WEIGHT = weight_of(pb.Everything.DESCRIPTOR)
MANY = MOST // WEIGHT
"""Messages that come to so many elements."""


def varint(number: int) -> bytes:
    return (bytes([number & 0x7F | 0x80]) + varint(number >> 7)) if number > 0x7F else bytes([number])


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


NUMBERS = {one.name: one.number for one in pb.Everything.DESCRIPTOR.fields}
CHILD = field(NUMBERS["children"], b"")
TAG = bytes([CHILD[0] & 0x7F])
"""What may begin a child, and is a number of its own elsewhere."""
NESTED = NUMBERS["nested"]


def elements_of(message: Any) -> int:
    """The messages and entries of maps within a message, as upb has them."""
    count = 0
    for one, value in message.ListFields():
        if one.message_type is None:
            continue
        if one.message_type.GetOptions().map_entry:
            inner = value.values() if one.message_type.fields_by_name["value"].message_type is not None else ()
            count += len(value)
        else:
            inner = value if one.is_repeated else [value]
        for each in inner:
            count += weight_of(each.DESCRIPTOR) + elements_of(each)
    return count


@pytest.mark.parametrize(
    "raw",
    [
        CHILD * (MANY + 1),
        field(NUMBERS["strings_by_string"], b"") * (MOST + 1),
        field(NESTED, field(NESTED, CHILD * (MANY - 1))),
        field(NUMBERS["children"], CHILD) * (MANY // 2 + 1),
        CHILD.replace(b"\0", b"\x80\x80\0") * (MANY // 2 + 1) + CHILD * (MANY // 2 + 1),
        b"".join(bytes([CHILD[0], CHILD[1] | 0x80, 0, 0]) for _ in range(MANY + 1)),  # a tag with a byte too many
        CHILD * (MANY + 1) + b"\x0a\x7f",  # ends too early, behind them
    ],
    ids=["messages", "entries", "nested", "pairs", "long lengths", "long tags", "cut"],
)
def test_a_message_with_too_many_within_it_is_refused_before_any_is_made(raw: bytes) -> None:
    with pytest.raises(RpcError) as caught:
        PROTO.decode(raw, pb.Everything, LIMIT)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert "more than 32768 messages and entries of maps within it" in caught.value.message


@pytest.mark.parametrize(
    "raw",
    [
        CHILD * MANY,
        bytes(3 * 1024 * 1024),
        field(NUMBERS["some_bytes"], CHILD * MOST),
        field(NUMBERS["strings"], b"") * (MOST + 1),
        field(NUMBERS["some_bytes"], bytes(range(256)) * 12_000),
        b"".join(varint(NUMBERS["an_int32"] << 3) + TAG for _ in range(MOST + 1)),
        b"".join(varint(NUMBERS["a_fixed32"] << 3 | 5) + TAG * 4 for _ in range(MOST // 4)),
        b"".join(varint(NUMBERS["a_double"] << 3 | 1) + TAG * 8 for _ in range(MOST // 8)),
    ],
    ids=["as many as may be", "zeros", "messages as bytes", "strings", "every byte", "varints", "four bytes", "eight bytes"],
)
def test_large_messages_of_all_else_are_let_in(raw: bytes) -> None:
    check_elements(pb.Everything, raw, LIMIT)


def test_a_message_that_cannot_be_gone_through_is_no_message() -> None:
    check_elements(pb.Everything, CHILD * (MANY - 2) + b"\x83\x38" * 2 + b"\x84\x38" * 2, LIMIT)  # groups that nobody knows
    for cut in (b"\x0a", b"\x08\x80", b"\x0a\x7f", b"\x0a\x80", b"\x0c", b"\xff" * 12, struct.pack("<B", 0x0D)):
        raw = CHILD * (MANY - 2) + field(NESTED, CHILD) + cut
        with pytest.raises(RpcError, match=r"this is no everything\.v1\.Everything: it ends within a field"):
            check_elements(pb.Everything, raw, LIMIT)


def test_how_many_there_may_be_goes_with_the_limit_of_the_size() -> None:
    raw = CHILD * (MANY + 1)
    check_elements(pb.Everything, raw, 2 * LIMIT)
    check_elements(pb.Everything, CHILD * MANY, 100)
    assert (json_elements(4 << 20), json_elements(8 << 20), json_elements(1)) == (262_144, 524_288, MOST // 2)
    document = b'{"children":[' + b"{}," * MOST + b"{}]}"
    with pytest.raises(RpcError) as caught:
        JSON.decode(document, pb.Everything, LIMIT)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert "more than 16384 messages" in caught.value.message


@settings(max_examples=100)
@given(messages(), st.data())
@example(pb.Everything(children=[{}, {"nested": {}}]), None)
def test_the_count_is_upbs(message: Any, data: Any) -> None:
    raw = message.SerializeToString()
    count = elements_of(message)
    shape = shape_of(pb.Everything.DESCRIPTOR)
    assert not has_more(raw, shape, count, {})
    assert not count or has_more(raw, shape, count - 1, {})
    assert (len(raw) - len(raw.translate(None, shape.first_bytes))) * shape.heaviest >= count
    if data is not None:  # and of whatever upb takes for a message none is missed
        at = data.draw(st.integers(0, len(raw)))
        spliced = raw[:at] + data.draw(st.binary(max_size=12)) + raw[at:]
        try:
            made = pb.Everything.FromString(spliced)
        except DecodeError:
            return
        # A field that comes twice is merged into one, so there may be less than were counted.
        assert elements_of(made) == 0 or has_more(spliced, shape, elements_of(made) - 1, {})


def test_groups_and_extensions_are_counted() -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="towpath/tests/grouped.proto", package="grouped", syntax="proto2")
    outer = file.message_type.add(name="Outer")
    outer.field.add(name="part", number=1, type=kinds.TYPE_GROUP, type_name=".grouped.Outer.Part", label=kinds.LABEL_REPEATED)
    outer.nested_type.add(name="Part").field.add(
        name="inner", number=2, type=kinds.TYPE_MESSAGE, type_name=".grouped.Outer", label=kinds.LABEL_OPTIONAL
    )
    outer.extension_range.add(start=100, end=200)
    file.extension.add(
        name="more", number=100, type=kinds.TYPE_MESSAGE, type_name=".grouped.Outer", label=kinds.LABEL_REPEATED, extendee=".grouped.Outer"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("grouped.Outer"))
    message = made(part=[{"inner": {"part": [{}, {}]}}, {}])
    message.Extensions[pool.FindExtensionByName("grouped.more")].add().part.add()
    raw = message.SerializeToString()
    shape = shape_of(made.DESCRIPTOR)
    assert has_more(raw, shape, 6, {})
    assert not has_more(raw, shape, 7, {})


def test_a_compressed_message_may_have_as_many_as_go_with_its_bytes() -> None:
    compressed = GZIP.compress(CHILD * 100)
    raw = Unfolded(field(NUMBERS["children"], b"") * (MANY + 1))
    raw.limit = LIMIT
    PROTO.decode(bytes(raw), pb.Everything, 16 * LIMIT)
    with pytest.raises(RpcError, match=r"more than 32768 messages.*the message limit of 4194304 bytes allows; send it without compression"):
        PROTO.decode(raw, pb.Everything, 16 * LIMIT)
    assert not isinstance(GZIP.decompress(compressed, 1000), Unfolded)
    document = Unfolded(b'{"children":[' + b"{}," * MANY + b"{}]}")
    document.limit = 1000
    JSON.decode(bytes(document), pb.Everything, 16 * LIMIT)
    with pytest.raises(RpcError, match=r"more than 16384 messages.*without compression"):
        JSON.decode(document, pb.Everything, 16 * LIMIT)


def test_a_type_is_recursive_if_a_message_of_it_may_be_nested_at_any_depth() -> None:
    assert is_recursive(pb.Everything)
    assert is_recursive(struct_pb2.Struct)
    assert is_recursive(any_pb2.Any)
    assert not is_recursive(descriptor_pb2.EnumDescriptorProto)
    assert is_recursive(descriptor_pb2.FileDescriptorProto)
    assert not is_recursive(duration_pb2.Duration)
