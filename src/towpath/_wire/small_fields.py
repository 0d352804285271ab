"""Messages of many small fields, which are read in slices, so that other threads run in between.

upb reads a field of 64 KiB as fast as one of a byte. So how long a message takes goes by how many fields and packed numbers it has: 4 MiB
of them take some 150 ms (measured), in which no other thread runs. But a message may be read in slices that follow from each other, as if
each were a message that is merged into the one before. A packed field may be cut into several, and a message within one, unless it is one
of several, into several that are merged. A repeated message and an entry of a map are never cut.
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_SLICE: Final = 64 * 1024
"""Bytes of a slice, about: 5 ms at the most."""

LEAST: Final = 4 * _SLICE
"""Bytes of a message that is read soon enough whatever is in it."""

_FEW: Final = 2 * 1024
"""Fields that are read soon enough, and counted in a millisecond."""

_DEEPEST: Final = 100
"""How deep messages within messages are cut, which is how deep upb reads them. It says so of those that are deeper."""

_LONGEST_VARINT: Final = 10
_VARINT, _EIGHT_BYTES, _LENGTH, _GROUP, _GROUP_END, _FOUR_BYTES = range(6)
_FIXED: Final = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_PACKED_VARINTS: Final = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_BOOL,
        FieldDescriptor.TYPE_ENUM,
    }
)


def has_many_fields(message_type: type[Message], raw: bytes) -> bool:
    """Whether a message is such that it is to be read in slices. Takes a millisecond or two at the most."""
    if len(raw) <= LEAST:
        return False
    descriptor: Any = message_type.DESCRIPTOR
    waiting = [(0, len(raw), descriptor)]
    count = 0
    try:
        while waiting:
            at, end, descriptor = waiting.pop()
            while at < end:
                count += 1
                if count > _FEW:
                    return True
                tag, at = _varint(raw, at)
                size, following = _content(raw, at, tag)
                if size > LEAST:
                    field = descriptor.fields_by_number.get(tag >> 3)
                    if _is_packed(field):
                        return True
                    if _is_one_message(field):
                        waiting.append((following - size, min(following, end), field.message_type))
                at = following
    except IndexError:  # it ends within a field, which its reader says
        return False
    return False


def read_in_slices(message_type: type[Message], raw: bytes, size: int = _SLICE) -> Message:
    """The message, read in slices of about `size` bytes. Raises DecodeError for what is none, and IndexError for what ends within a
    field."""
    message = message_type()
    for part in _slices(raw, 0, len(raw), message_type.DESCRIPTOR, size):
        message.MergeFromString(part)
    return message


def _slices(raw: bytes, at: int, end: int, descriptor: Any, size: int, level: int = 0) -> Iterator[bytes]:
    start, depth = at, 0
    while at < end:
        field_start = at
        tag, at = _varint(raw, at)
        wire = tag & 7
        depth += (wire == _GROUP) - (wire == _GROUP_END)
        content, at = _content(raw, at, tag)
        if at > end:
            raise IndexError(at)
        if depth:
            continue
        if content > size:
            field = descriptor.fields_by_number.get(tag >> 3)
            inner: Iterator[bytes] | None = None
            if _is_packed(field):
                inner = _numbers(raw, at - content, at, size)
            elif level < _DEEPEST and _is_one_message(field):
                inner = _slices(raw, at - content, at, field.message_type, size, level + 1)
            if inner is not None:
                if field_start > start:
                    yield raw[start:field_start]
                for part in inner:
                    yield _as_varint(tag) + _as_varint(len(part)) + part
                start = at
        if at - start >= size:
            yield raw[start:at]
            start = at
    if at > start:
        yield raw[start:at]


def _numbers(raw: bytes, at: int, end: int, size: int) -> Iterator[bytes]:
    while at < end:
        stop = min(at + size, end)
        while stop < end and raw[stop - 1] > 0x7F:  # within a number
            stop += 1
        yield raw[at:stop]
        at = stop


def _content(raw: bytes, at: int, tag: int) -> tuple[int, int]:
    """How many bytes a field has whose length is written, and where the next field begins."""
    wire = tag & 7
    if wire == _LENGTH:
        size, at = _varint(raw, at)
        return size, at + size
    if wire == _VARINT:
        return 0, _varint(raw, at)[1]
    return 0, at + _FIXED.get(wire, 0)


def _is_packed(field: Any) -> bool:
    return field is not None and field.is_repeated and field.type in _PACKED_VARINTS


def _is_one_message(field: Any) -> bool:
    return field is not None and field.type == FieldDescriptor.TYPE_MESSAGE and not field.is_repeated


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """The number at a position, and where it ends."""
    number = raw[at]
    if number < 0x80:
        return number, at + 1
    number, last = number & 0x7F, at + _LONGEST_VARINT
    shift = 7
    while True:
        at += 1
        if at >= last:
            raise IndexError(at)
        number |= (raw[at] & 0x7F) << shift
        if raw[at] < 0x80:
            return number, at + 1
        shift += 7


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
