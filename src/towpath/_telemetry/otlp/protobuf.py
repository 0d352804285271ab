"""Protobuf's wire format, as far as OTLP's spans and answers need it.

Messages of generated classes would cost 25 us a span (measured). What is written here is read by any protobuf library, which the tests do.
"""

import struct
from typing import Final

DOUBLE: Final = struct.Struct("<d")


def varint(number: int) -> bytes:
    """A number from 0 to 2**64 - 1."""
    if number < 0x80:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL: Final = tuple(bytes((number,)) for number in range(0x80))


def delimited(field: int, content: bytes) -> bytes:
    """A field that is a message, bytes or text in UTF-8."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def text_attribute(field: int, key: str, value: str) -> bytes:
    """An element of the repeated KeyValue `field`, with a string."""
    return delimited(field, delimited(1, key.encode()) + delimited(2, delimited(1, value.encode(errors="replace"))))


def number_attribute(field: int, key: str, value: int) -> bytes:
    """An element of the repeated KeyValue `field`, with an integer that is not negative."""
    return delimited(field, delimited(1, key.encode()) + delimited(2, b"\x18" + varint(value)))


def true_attribute(field: int, key: str) -> bytes:
    """An element of the repeated KeyValue `field`, which is true."""
    return delimited(field, delimited(1, key.encode()) + delimited(2, b"\x10\x01"))


def double_attribute(field: int, key: str) -> bytes:
    """An element of the repeated KeyValue `field`, up to the eight bytes of a double."""
    name = delimited(1, key.encode())
    return varint(field << 3 | 2) + varint(len(name) + 11) + name + b"\x12\x09\x21"


class MalformedError(ValueError):
    """What came is no protobuf message."""


def fields(message: bytes) -> dict[int, int | bytes]:
    """The fields of a message by their numbers, the last of each: numbers, and bytes of what has a length. Raises MalformedError."""
    found: dict[int, int | bytes] = {}
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        kind = key & 7
        if kind == 0:
            found[key >> 3], at = _number(message, at)
            continue
        if kind == 2:
            length, at = _number(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise MalformedError(f"wire type {kind}")
        if at + length > len(message):
            raise MalformedError("cut off")
        found[key >> 3] = message[at : at + length]
        at += length
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise MalformedError("no number")
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
