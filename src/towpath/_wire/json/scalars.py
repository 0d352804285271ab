"""Scalar values: the JSON of each of protobuf's types, and the JSON that each accepts.

The rules are those of https://protobuf.dev/programming-guides/json/. Numbers may come as strings and integers as floats without a fraction;
a boolean is never a number. Lengths are checked before anything is converted, since converting a long numeral takes quadratic time.
"""

import binascii
import re
import struct
from collections.abc import Callable
from math import copysign, inf, isfinite, nan
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from towpath._wire.json.errors import JsonError, shown, unexpected

Reader = Callable[[Any], Any]
"""From a JSON value to the field's; raises JsonError."""

_NUMERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LONGEST_NUMERAL: Final = 64
_BEYOND: Final = 2**1024 - 2**970  # the least integer that rounds to no double
_LARGEST_FLOAT: Final = 3.4028235677973366e38  # half a unit beyond the largest float32 rounds to infinity
_SPECIAL: Final = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
_URL_SAFE: Final = str.maketrans("-_", "+/")
_float32 = struct.Struct("<f")

RANGES: Final[dict[int, tuple[int, int]]] = {
    **dict.fromkeys((FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_ENUM), (-(2**31), 2**31 - 1)),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def integer(cpp_type: int) -> Reader:
    """The reader of an integer type."""
    low, high = RANGES[cpp_type]

    def read(value: Any) -> int:
        if type(value) is int:
            number = value
        elif type(value) is str and value.isdigit() and value.isascii() and len(value) <= _LONGEST_NUMERAL:
            number = int(value)
        else:
            number = _whole(value)
        if not low <= number <= high:
            raise JsonError(f"{number if abs(number) < 10**20 else 'the number'} is out of range; give {low} to {high}")
        return number

    return read


def _whole(value: Any) -> int:
    if type(value) is str:
        if len(value) > _LONGEST_NUMERAL or not _NUMERAL.fullmatch(value):
            raise unexpected("a whole number", value)
        if value.lstrip("-").isdigit():
            return int(value)
        value = float(value)
    if type(value) is not float or not value.is_integer():
        raise unexpected("a whole number", value)
    return int(value)


def floating(*, single: bool) -> Reader:
    """The reader of a double, or with `single` of a float."""

    def read(value: Any) -> float:
        if type(value) is str:
            special = _SPECIAL.get(value)
            if special is not None:
                return special
            if len(value) > _LONGEST_NUMERAL or not _NUMERAL.fullmatch(value):
                raise unexpected("a number", value)
            number = float(value)
        elif type(value) is float:
            number = value
        elif type(value) is int:
            try:
                number = float(value)
            except OverflowError:
                number = inf
        else:
            raise unexpected("a number", value)
        if not isfinite(number) or (single and abs(number) >= _LARGEST_FLOAT):
            raise JsonError(f"{shown(value)} is out of range for a {'float' if single else 'double'}")
        return number

    return read


def boolean(value: Any) -> bool:
    """The reader of a bool."""
    if type(value) is bool:
        return value
    raise unexpected("true or false", value)


def text(value: Any) -> str:
    """The reader of a string."""
    if type(value) is not str:
        raise unexpected("a string", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise JsonError("the string has half of a surrogate pair") from None
    return value


def binary(value: Any) -> bytes:
    """The reader of bytes: base64 in either alphabet, padded or not."""
    if type(value) is not str:
        raise unexpected("base64 in a string", value)
    try:
        return binascii.a2b_base64(value, strict_mode=True)  # the usual form
    except ValueError:
        pass
    try:
        stripped = value.rstrip("=").translate(_URL_SAFE).encode("ascii")
        return binascii.a2b_base64(stripped + b"=" * (-len(stripped) % 4), strict_mode=True)
    except ValueError:  # raised for characters beyond ASCII too
        raise JsonError(f"{shown(value)} is not base64") from None


def enumeration(enum: EnumDescriptor, unknown: Callable[[str], None]) -> Reader:
    """The reader of an enum, by name or number. It calls `unknown` with a name that the enum does not have. `unknown` raises, unless such
    names have to be ignored: then the result is None."""
    numbers = {name: value.number for name, value in enum.values_by_name.items()}
    as_number = integer(FieldDescriptor.CPPTYPE_ENUM)
    closed = enum.is_closed
    known = frozenset(numbers.values())

    def read(value: Any) -> int | None:
        if type(value) is str:
            number = numbers.get(value)
            if number is not None:
                return number
            if not value.lstrip("-").isdigit():
                unknown(f"{shown(value)} is not a value of {enum.full_name}")
                return None
        elif type(value) is not int and type(value) is not float:
            raise unexpected(f"the name of a {enum.full_name}", value)
        number = as_number(value)
        if closed and number not in known:
            unknown(f"{number} is not a value of {enum.full_name}")
            return None
        return number

    return read


def plain(field: FieldDescriptor) -> Callable[[list[Any]], bool]:
    """A check whether a list is, as it is, a value of a repeated field of numbers. Of a large list the check takes a fifth of the time of
    reading each value."""
    kind, enum = field.cpp_type, field.enum_type
    types = _PLAIN.get(kind, _NOTHING)
    beyond: float = _LARGEST_FLOAT if kind == FieldDescriptor.CPPTYPE_FLOAT else _BEYOND
    low, high = (RANGES[kind][0] - 1, RANGES[kind][1] + 1) if kind in RANGES else (-beyond, beyond)
    if enum is not None and enum.is_closed:
        types = _NOTHING  # an enum has gaps between its values

    def check(values: list[Any]) -> bool:
        return types.issuperset(map(type, values)) and (not values or (low < min(values) and max(values) < high))

    return check


_NOTHING: Final[frozenset[type[Any]]] = frozenset()
_PLAIN: Final[dict[int, frozenset[type[Any]]]] = {
    **dict.fromkeys(RANGES, frozenset({int})),
    FieldDescriptor.CPPTYPE_BOOL: frozenset({bool}),
    **dict.fromkeys((FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT), frozenset({int, float})),
}


def single(value: float) -> float | str:
    """A float as JSON: the shortest numeral that comes back as the same float32."""
    if not isfinite(value):
        return special(value)
    shortened = (float(f"{value:.{precision}g}") for precision in range(6, 10))  # nine digits tell any two of them apart
    return next(shorter for shorter in shortened if abs(shorter) < _LARGEST_FLOAT and _float32.unpack(_float32.pack(shorter))[0] == value)


def double(value: float) -> float | str:
    """A double as JSON."""
    return value if isfinite(value) else special(value)


def special(value: float) -> str:
    """An infinity or NaN, as a string."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 # NaN alone differs from itself


def is_set(value: float) -> bool:
    """Whether a number without presence is more than the default; minus zero is."""
    return value != 0 or copysign(1.0, value) < 0


def map_key(cpp_type: int) -> Callable[[str], Any]:
    """The reader of a map's key, which JSON always writes as a string."""
    if cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return text
    if cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool_key
    return integer(cpp_type)


def _bool_key(key: str) -> bool:
    if key in ("true", "false"):
        return key == "true"
    raise JsonError(f'expected "true" or "false" as a key, found {shown(key)}')
