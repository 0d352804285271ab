"""Keys of maps that crowd in upb's tables: told from all others, in protobuf's form and in JSON."""

import json
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._wire.codec import JSON, PROTO
from towpath._wire.elements import has_more, shape_of
from towpath._wire.json import JsonCodec, JsonError, TooManyElementsError
from towpath._wire.key_crowding import MOST_STEPS, steps

LIMIT: Final = 4 * 1024 * 1024
F: Final = descriptor_pb2.FieldDescriptorProto
KINDS: Final = {
    F.TYPE_INT32: 32,
    F.TYPE_SINT32: 32,
    F.TYPE_UINT32: 32,
    F.TYPE_FIXED32: 32,
    F.TYPE_SFIXED32: 32,
    F.TYPE_INT64: 64,
    F.TYPE_SINT64: 64,
    F.TYPE_UINT64: 64,
    F.TYPE_FIXED64: 64,
    F.TYPE_SFIXED64: 64,
}
UNSIGNED: Final = (F.TYPE_UINT32, F.TYPE_FIXED32, F.TYPE_UINT64, F.TYPE_FIXED64)


def maps() -> Any:
    """A message class with a map from each type of integer, and one of messages of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="towpath/tests/maps.proto", package="maps", syntax="proto3")
    message = file.message_type.add(name="Maps")
    for number, (kind, value) in enumerate(
        [*((kind, F.TYPE_BOOL) for kind in KINDS), (F.TYPE_INT64, F.TYPE_MESSAGE), (F.TYPE_BOOL, F.TYPE_BOOL)], 1
    ):
        entry = message.nested_type.add(name=f"M{number}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=kind, label=F.LABEL_OPTIONAL)
        entry.field.add(
            name="value", number=2, type=value, label=F.LABEL_OPTIONAL, type_name=".maps.Maps" if value == F.TYPE_MESSAGE else None
        )
        message.field.add(
            name=f"m{number}", number=number, type=F.TYPE_MESSAGE, type_name=f".maps.Maps.M{number}Entry", label=F.LABEL_REPEATED
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maps.Maps"))


MAPS: Final = maps()
PLACES: Final = {kind: number for number, kind in enumerate(KINDS, 1)}
SAME: Final = [i << 32 | i for i in range(20_000)]
"""Keys whose halves are the same, and folded together nothing."""
APART: Final = {
    "in a row": range(100_000),
    "far apart": range(0, 1 << 50, 1 << 33),
    "of no order": [i * 0x9E3779B97F4A7C15 & (1 << 63) - 1 for i in range(100_000)],
}


@pytest.mark.parametrize("name", APART)
def test_keys_that_follow_from_nothing_are_let_in(name: str) -> None:
    keys = list(APART[name])[:20_000]
    assert steps(dict.fromkeys(keys, 1)) < MOST_STEPS
    message = MAPS(m6=dict.fromkeys(keys, True))
    assert PROTO.decode(message.SerializeToString(), MAPS, LIMIT) == message
    assert JSON.decode(JsonCodec().encode(message), MAPS, LIMIT) == message


@pytest.mark.parametrize(
    "keys", [SAME, [i << 16 for i in range(30_000)], [i << 24 for i in range(60_000)], [key ^ i % 3 for i, key in enumerate(SAME)]]
)
def test_keys_that_crowd_are_refused(keys: list[int]) -> None:
    raw = b"".join(b"\x32" + bytes([len(entry)]) + entry for entry in (b"\x08" + varint(key) for key in keys))
    document = json.dumps({"m6": {str(key): True for key in keys}}).encode()
    for codec, body in ((PROTO, raw), (JSON, document)):
        with pytest.raises(RpcError, match="would take too long to read") as caught:
            codec.decode(body, MAPS, LIMIT)
        assert caught.value.code is Code.INVALID_ARGUMENT


def test_maps_of_few_keys_that_crowd_are_refused_where_they_are_many() -> None:
    inner = b"".join(b"\x32" + bytes([len(entry)]) + entry for entry in (b"\x08" + varint(key) for key in SAME[:4000]))
    one = b"\x12" + varint(len(inner)) + inner
    raw = b"".join(b"\x5a" + varint(len(entry)) + entry for entry in (b"\x08" + varint(i) + one for i in range(20)))
    with pytest.raises(RpcError, match="would take too long to read"):
        PROTO.decode(raw, MAPS, LIMIT)
    few = {"m6": {str(key): True for key in SAME[:4000]}}
    document = json.dumps({"m11": {str(i): few for i in range(20)}}).encode()
    with pytest.raises(TooManyElementsError):
        JsonCodec().decode(document, MAPS, elements=LIMIT // 16)
    message = JsonCodec().decode(json.dumps({"m11": {"1": few}}).encode(), MAPS, elements=LIMIT // 16)
    assert len(message.m11[1].m6) == 4000
    assert JSON.decode(JsonCodec().encode(message), MAPS, LIMIT) == JsonCodec().decode(JsonCodec().encode(message), MAPS) == message


def test_a_map_of_messages_is_looked_at_too() -> None:
    document = json.dumps({"m11": {str(key): {} for key in SAME}}).encode()
    with pytest.raises(JsonError, match="would take too long to read"):
        JsonCodec().decode(document, MAPS)


def test_keys_of_32_bits_crowd_as_well() -> None:
    keys = [i << 16 for i in range(-16_000, 16_000)]
    for place in (1, 2):
        document = json.dumps({f"m{place}": {str(key): True for key in keys}}).encode()
        with pytest.raises(JsonError, match="would take too long to read"):
            JsonCodec().decode(document, MAPS)


def varint(number: int) -> bytes:
    return (bytes([number & 0x7F | 0x80]) + varint(number >> 7)) if number > 0x7F else bytes([number])


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_keys_are_counted_as_upb_has_them(kind: int, data: Any) -> None:
    bits = KINDS[kind]
    low, high = (0, 2**bits - 1) if kind in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    keys = data.draw(st.sets(st.integers(low, high), max_size=5))
    message = MAPS(**{f"m{PLACES[kind]}": dict.fromkeys(keys, True)}, m12={True: True})
    found: dict[int, int] = {}
    assert not has_more(message.SerializeToString() * 2, shape_of(MAPS.DESCRIPTOR), 100, found)
    assert found == {key & (2**bits - 1): 2 for key in keys}


@given(st.dictionaries(st.integers(0, 2**64 - 1), st.integers(1, 3), max_size=50))
def test_steps_are_those_to_a_free_place(keys: dict[int, int]) -> None:
    size = 1 << (len(keys) * 20 // 17).bit_length()
    taken: set[int] = set()
    walked = 0
    for key in sorted(keys, key=lambda key: (key ^ key >> 32) % size):
        place = (key ^ key >> 32) % size
        while place in taken:
            place += 1
            walked += 1
        taken.add(place)
    assert walked <= steps(keys) <= 3 * walked
