"""How many messages one message may hold, by its bytes: what the limit of its size alone leaves open.

An empty message within another one takes two bytes of protobuf's form and three of JSON, and in memory as much as its type has fields:
4 MiB become 380 MB (measured, with 18 fields). So a message may have one element, which is a message or an entry of a map within it, for
every few bytes of the limit of its size, and who raises that limit raises this one. A message of a type with many fields counts as several
elements, and a compressed message may have fewer (`towpath._wire.compression.unfolded_limit`).

Keys of maps are looked at, too, which may take long to read without being many (`towpath._wire.key_crowding`).

In protobuf's form elements are counted before upb makes any. Most messages are known by their size, or by how often the tags of such fields
can be in them at all, to have far less. What is within an Any is not looked at, since it stays bytes.
"""

from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath._core.errors import Code, RpcError
from towpath._wire.compression import Unfolded
from towpath._wire.key_crowding import FEW_KEYS, MOST_STEPS, steps

_PROTO_BYTES: Final = 8
_JSON_BYTES: Final = 16
"""Bytes of the message limit for each element: making one of JSON takes some ten times as long as making one of protobuf's form."""

_LEAST: Final = 32 * 1024
"""Elements that there may be in any message."""
_JSON_LEAST: Final = 16 * 1024
"""Elements that there may be in any JSON document."""
_FIELDS: Final = 12
"""Fields of a type for each element, beside one, that a message of the type counts as: memory goes with them."""
_MAX_WEIGHT: Final = 16

UNCHECKED: Final = 16 * 1024
"""Bytes of a message that has neither too many elements, each of which takes two at the least, nor more entries of maps than can be read
soon enough whatever their keys are."""

_KEY_TAG: Final = 1 << 3
_PLAIN_KEYS: Final = frozenset({FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64})
_HALVES: Final = frozenset({FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_SINT32})
_HALF, _WHOLE = (1 << 32) - 1, (1 << 64) - 1
_LONGEST_SHIFT: Final = 63
_VARINT, _EIGHT_BYTES, _LENGTH, _GROUP, _GROUP_END, _FOUR_BYTES = range(6)


def json_elements(limit: int) -> int:
    """How many elements a JSON document may have where messages may have `limit` bytes."""
    return max(limit // _JSON_BYTES, _JSON_LEAST)


def limit_of(raw: bytes, limit: int) -> int:
    """The message limit for what goes with it in a message that has come as `raw`: less than `limit` if the message was compressed."""
    return raw.limit if isinstance(raw, Unfolded) else limit


def check_elements(message_type: type[Message], raw: bytes, limit: int) -> None:
    """Raises RpcError for a message of over `UNCHECKED` bytes that has more elements than go with a message limit of `limit` bytes
    (RESOURCE_EXHAUSTED), has keys that do not spread (INVALID_ARGUMENT), or cannot be gone through (INTERNAL)."""
    if needs_count(message_type, raw, limit):
        count_elements(message_type, raw, limit)


def needs_count(message_type: type[Message], raw: bytes, limit: int) -> bool:
    """Whether a message is such that its elements have to be counted, which takes up to a second for 4 MiB."""
    most = _most(raw, limit)
    shape = shape_of(cast("Descriptor", message_type.DESCRIPTOR))
    # Bytes that may begin an element, or an entry with an integer for its key, are nearly always too few.
    few = most // shape.heaviest
    return (len(raw) > 2 * few and _how_many(raw, shape.first_bytes) > few) or (
        bool(shape.key_bytes) and _how_many(raw, shape.key_bytes) > FEW_KEYS
    )


def count_elements(message_type: type[Message], raw: bytes, limit: int) -> None:
    """`check_elements`, of a message whose elements have to be counted."""
    most = _most(raw, limit)
    keys: dict[int, int] = {}
    try:
        enough = has_more(raw, shape_of(cast("Descriptor", message_type.DESCRIPTOR)), most, keys)
    except IndexError:
        raise ends_within_field(message_type) from None
    if enough:
        raise too_many_elements(most, raw, limit)
    if steps(keys) > MOST_STEPS:
        raise crowded_keys()


def _most(raw: bytes, limit: int) -> int:
    return max(limit_of(raw, limit) // _PROTO_BYTES, _LEAST)


def has_integer_keys(message_type: type[Message]) -> bool:
    """Whether there may be maps in it whose keys are integers."""
    return bool(shape_of(cast("Descriptor", message_type.DESCRIPTOR)).key_bytes)


def weight_of(descriptor: Descriptor) -> int:
    """How many elements a message of a type counts as."""
    return min(1 + len(descriptor.fields) // _FIELDS, _MAX_WEIGHT)


def is_recursive(message_type: type[Message]) -> bool:
    """Whether messages within one of a type may be nested at any depth."""
    return shape_of(cast("Descriptor", message_type.DESCRIPTOR)).recursive


def heaviest(message_type: type[Message]) -> int:
    """How many elements a message within one of a type counts as at the most."""
    return shape_of(cast("Descriptor", message_type.DESCRIPTOR)).heaviest


def too_many_elements(most: int, raw: bytes, limit: int) -> RpcError:
    """What a message that came as `raw` ends in if it has over `most` elements."""
    remedy = "send it without compression" if limit_of(raw, limit) < limit else "send less at a time"
    return RpcError(
        Code.RESOURCE_EXHAUSTED,
        f"a message has more than {most} messages and entries of maps within it (one of many fields counts as several), "
        f"which is what the message limit of {limit} bytes allows; {remedy}, or raise the limit",
    )


def ends_within_field(message_type: type[Message]) -> RpcError:
    """What a message ends in that is cut off."""
    return RpcError(Code.INTERNAL, f"this is no {message_type.DESCRIPTOR.full_name}: it ends within a field")


def crowded_keys() -> RpcError:
    """What a message ends in whose keys do not spread."""
    return RpcError(Code.INVALID_ARGUMENT, "the integers that are keys of a map are such that it would take too long to read")


class Shape:
    """Where the elements of a message of one type are in its bytes."""

    __slots__ = ("first_bytes", "heaviest", "inner", "key", "key_bytes", "recursive", "weight")

    def __init__(self, descriptor: Descriptor) -> None:
        self.inner: dict[int, Shape] = {}
        """The shapes of the fields with messages, by the tag that begins such a field."""
        self.first_bytes = b""
        """Each byte that begins such a tag, in the message or in any message within it."""
        self.key_bytes = b""
        """Those bytes that begin an entry of a map whose keys are integers."""
        self.key = 0
        """The type of the integer, if this is an entry of such a map; else 0."""
        self.weight = 1 if descriptor.GetOptions().map_entry else weight_of(descriptor)
        """How many elements it counts as."""
        self.heaviest = 1
        """The weight of the heaviest message within it."""
        self.recursive = descriptor.full_name == "google.protobuf.Any"
        """Whether a message of it may be within another one at any depth."""
        if descriptor.GetOptions().map_entry:
            key = descriptor.fields_by_name["key"].type
            self.key = 0 if key in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL) else key


_shapes: Final[dict[Descriptor, Shape]] = {}


def shape_of(descriptor: Descriptor) -> Shape:
    """The shape of the type; made once."""
    known = _shapes.get(descriptor)
    if known is not None:
        return known
    made = {descriptor: Shape(descriptor)}
    first_bytes: set[int] = set()
    key_bytes: set[int] = set()
    for one in (waiting := [descriptor]):  # grows while it is gone through
        for field in _fields(one):
            inner = field.message_type
            if inner is None:
                continue
            if inner not in made:
                made[inner] = Shape(inner)
                waiting.append(inner)
            tag = field.number << 3 | (_GROUP if field.type == FieldDescriptor.TYPE_GROUP else _LENGTH)
            made[one].inner[tag] = made[inner]
            # The last seven bits come first; a tag may have more bytes than it needs, which is why the eighth bit may be set.
            firsts = {tag & 0x7F, tag & 0x7F | 0x80}
            first_bytes |= firsts
            key_bytes |= firsts if made[inner].key else set()
    shape = made[descriptor]
    shape.first_bytes, shape.key_bytes = bytes(sorted(first_bytes)), bytes(sorted(key_bytes))
    shape.recursive = any(found.recursive for found in made.values()) or _has_cycle(shape)
    shape.heaviest = max(found.weight for found in made.values())
    _shapes[descriptor] = shape
    return shape


def _has_cycle(shape: Shape) -> bool:
    """Whether types within a type have each other as fields."""
    left = {shape: len(shape.inner)}
    above: dict[Shape, list[Shape]] = {}
    for one in (waiting := [shape]):
        for inner in one.inner.values():
            above.setdefault(inner, []).append(one)
            if inner not in left:
                left[inner] = len(inner.inner)
                waiting.append(inner)
    free = [one for one in waiting if not left[one]]  # grows by those types that have only such types as fields
    for one in free:
        for outer in above.get(one, ()):
            left[outer] -= 1
            if not left[outer]:
                free.append(outer)
    return len(free) < len(waiting)


def _fields(descriptor: Descriptor) -> list[Any]:
    extensions = descriptor.file.pool.FindAllExtensions(descriptor) if descriptor.is_extendable else ()
    return [*descriptor.fields, *extensions]


def _how_many(raw: bytes, which: bytes) -> int:
    return len(raw) - len(raw.translate(None, which))


def has_more(raw: bytes, shape: Shape, most: int, keys: dict[int, int]) -> bool:
    """Whether a message of that shape has more than `most` elements by weight. Counts the integers that are keys of maps in `keys`, each
    by the number under which upb stores it. Raises IndexError for a message that ends within a field."""
    count = 0
    waiting = [(0, len(raw), shape.inner, shape.key)]
    while waiting:
        at, end, inner, key = waiting.pop()
        groups: list[dict[int, Shape]] = []
        while at < end:
            tag = raw[at]
            at += 1
            if tag > 0x7F:
                tag, at = _varint(raw, at - 1)
            wire = tag & 7
            if wire == _LENGTH:
                size = raw[at]
                at += 1
                if size > 0x7F:
                    size, at = _varint(raw, at - 1)
                found = inner.get(tag)
                if found is not None:
                    count += found.weight
                    if count > most:
                        return True
                    if size and (found.inner or found.key):
                        waiting.append((at, at + size, found.inner, found.key))
                at += size
            elif wire == _VARINT:
                if key and tag == _KEY_TAG:
                    number, at = _varint(raw, at)
                    if key not in _PLAIN_KEYS:
                        number = _as_stored(key, number)
                    keys[number] = keys.get(number, 0) + 1
                    continue
                while raw[at] > 0x7F:
                    at += 1
                at += 1
            elif wire == _GROUP:
                found = inner.get(tag)
                if found is not None:
                    count += found.weight
                    if count > most:
                        return True
                groups.append(inner)
                inner = {} if found is None else found.inner
            elif wire == _GROUP_END:
                inner = groups.pop()
            else:
                size = 4 if wire == _FOUR_BYTES else 8
                if key and tag == _KEY_TAG | wire:
                    number = int.from_bytes(raw[at : at + size], "little")
                    keys[number] = keys.get(number, 0) + 1
                at += size
        if at > end:
            raise IndexError(at)
    return False


def _as_stored(kind: int, number: int) -> int:
    """A key as upb's table has it, of the number that was written."""
    if kind in (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64):
        number = number >> 1 ^ -(number & 1)
    return number & (_HALF if kind in _HALVES else _WHOLE)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and where it ends."""
    number = shift = 0
    while raw[at] > 0x7F:
        if shift > _LONGEST_SHIFT:
            raise IndexError(at)
        number |= (raw[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | raw[at] << shift, at + 1
