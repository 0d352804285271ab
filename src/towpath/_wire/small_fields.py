"""Messages of many small fields, which are read in slices, so that other threads run in between.

upb reads a field of 64 KiB as fast as one of a byte. So how long a message takes goes by how many fields and packed numbers it has: 4 MiB
of them take some 150 ms (measured), in which no other thread runs. But a message may be read in slices that follow from each other, as if
each were a message that is merged into the one before. A packed field may be cut into several, and a message within one, unless it is one
of several, into several that are merged. A repeated message and an entry of a map are never cut.

Where a slice may end is found by one regular expression for each slice: to go from field to field in Python took 30 times as long as upb
takes to read them all, 1 to 2 s for 4 MiB.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_SLICE: Final = 64 * 1024
"""Bytes of a slice, about: 5 ms at the most."""

LEAST: Final = 4 * _SLICE
"""Bytes of a message that is read soon enough whatever is in it."""

_LOOK_AHEAD: Final = 16 * 1024
"""Bytes that the regular expression goes through at once, in 2 ms and 2 MB at the most."""

_FEW: Final = 2 * 1024
"""Fields that are read soon enough, and counted in a millisecond."""

_MOST_STEPS: Final = 32 * 1024
"""Fields that are gone through one by one, in some 30 ms. There are as many in a message that is not made to be read slowly only if they
are so large that it takes little to read them. What is behind them is read in one piece."""

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


def no_pause() -> None:
    """Read one slice after the other."""


def read_in_slices(message_type: type[Message], raw: bytes, size: int = _SLICE, *, pause: Callable[[], None] = no_pause) -> Message:
    """The message, read in slices of about `size` bytes, behind each of which `pause` is called. Raises DecodeError for what is none, and
    IndexError for what ends within a field."""
    message = message_type()
    for part in _Cutter(raw, size).slices(0, len(raw), message_type.DESCRIPTOR, 0):
        message.MergeFromString(part)
        pause()
    return message


class _Cutter:
    """Cuts the message `raw` into slices of about `size` bytes."""

    def __init__(self, raw: bytes, size: int) -> None:
        self._raw = raw
        self._size = size
        self._steps = _MOST_STEPS

    def slices(self, at: int, end: int, descriptor: Any, level: int) -> Iterator[bytes]:
        """The slices of the message from `at` to `end`, which is within `level` others."""
        raw, size = self._raw, self._size
        start, depth = at, 0
        while at < end:
            at = _after_small_fields(raw, at, min(end, (at if depth else start) + size, at + _LOOK_AHEAD))
            if at == end:
                break
            self._steps -= 1
            if self._steps < 0:
                at = end
                break
            field_start = at
            tag, at = _varint(raw, at)
            wire = tag & 7
            depth += (wire == _GROUP) - (wire == _GROUP_END)
            content, at = _content(raw, at, tag)
            if at > end:
                raise IndexError(at)
            if depth:
                continue
            inner = self._within(at - content, at, descriptor.fields_by_number.get(tag >> 3), level) if content > size else None
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

    def _within(self, at: int, end: int, field: Any, level: int) -> Iterator[bytes] | None:
        """The slices of a field's content; None if it is not to be cut."""
        if _is_packed(field):
            return _numbers(self._raw, at, end, self._size)
        if level < _DEEPEST and _is_one_message(field):
            return self.slices(at, end, field.message_type, level + 1)
        return None


def _numbers(raw: bytes, at: int, end: int, size: int) -> Iterator[bytes]:
    while at < end:
        stop = min(at + size, end)
        while stop < end and raw[stop - 1] > 0x7F:  # within a number
            stop += 1
        yield raw[at:stop]
        at = stop


def _small_fields() -> re.Pattern[bytes]:
    """Whole fields, one behind the other, whose contents have less than 128 bytes. Groups are none of them."""

    def tag(wire: int) -> bytes:
        short, long = (b"".join(b"\\x%02x" % (number | more) for number in range(wire, 0x80, 8)) for more in (0, 0x80))
        return b"(?:[%b]|[%b]%b)" % (short, long, number(_LONGEST_VARINT - 1))

    def number(most: int) -> bytes:
        return b"[\\x80-\\xff]{0,%d}[\\x00-\\x7f]" % (most - 1)

    lengths = b"|".join(b"\\x%02x.{%d}" % (size, size) for size in range(0x80))
    fields = (
        tag(_VARINT) + number(_LONGEST_VARINT),
        tag(_LENGTH) + b"(?:%b)" % lengths,
        *(tag(wire) + b".{%d}" % size for wire, size in _FIXED.items()),
    )
    # Not possessive: Python before 3.11.5 is wrong about where such a repetition ends.
    return re.compile(b"(?:%b)*" % b"|".join(fields), re.DOTALL)


_SMALL_FIELDS: Final = _small_fields()


def _after_small_fields(raw: bytes, at: int, end: int) -> int:
    """Where the first field begins behind `at` that is not small, or does not end before `end`."""
    found: Any = _SMALL_FIELDS.match(raw, at, end)  # of no fields, at the least
    return found.end()


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
