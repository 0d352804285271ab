"""Tables for the optional writer in C, `_writer.c`: how a message type, and all types within it, become JSON (docs/adr/0009).

The writer goes through a message's bytes by such a table and gives up on anything that is not plain. Then `towpath._wire.json.encoding`
writes the message; it decides which values are errors, and names them. So a table need not cover everything, and a field that it does not
cover (an Any, a group, an enum of proto2 whose unknown numbers are kept apart) costs nothing where it is not set.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Protocol, cast

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError

from towpath._wire.json.encoding import Encoders
from towpath._wire.json.repeated_names import RepeatsAName
from towpath._wire.json.wellknown import enum_names, enum_type

BytesWriter = Callable[[bytes], bytes]
"""From the bytes of a message to its JSON. Raises one of `NOT_PLAIN`."""

NOT_PLAIN: Final = (ValueError, EncodeError)
"""The errors for a message that has to be written in Python; protobuf raises EncodeError for one that is nested too deeply for it."""


_REFUSALS: Final = (ValueError, TypeError, OverflowError)
"""The errors for a table that the writer in C does not take."""


class Plan(Protocol):
    """`_writer.Plan`: made of a table. Raises ValueError for a faulty one."""

    def write(self, data: bytes, /) -> bytes:
        """The JSON of a message of the table's first type, from its bytes. Raises ValueError if it gives up."""
        ...


def _native(name: str) -> Any:
    try:
        # By name, since import-linter reads sources and finds none in Python.
        return getattr(import_module("towpath._wire.json._writer"), name)
    except ImportError:  # the package was installed where there was no compiler
        return None


COMPILED: Final[Callable[[tuple[Any, ...]], Plan] | None] = _native("Plan")
"""Makes a `Plan` of a table; None where the extension is not built."""

COMPILED_CHECK: Final[RepeatsAName | None] = _native("repeats_a_name")
"""`towpath._wire.json.repeated_names.repeats_a_name` in C; None where the extension is not built."""

PURE: Final = "TOWPATH_PURE"
"""The variable of the environment that switches the extension in C off if it is neither empty nor 0."""


def is_pure() -> bool:
    """Whether the environment switches the extension in C off."""
    return os.environ.get(PURE, "") not in ("", "0")


# Kinds of fields beyond descriptor.proto's types, and forms of messages, each as `_writer.c` numbers them.
_REFUSED, _MAP, _NULL, _FINITE = 0, 19, 20, 21
_OBJECT, _BARE, _ENTRY = 0, 1, 2
_PACKAGE: Final = "google.protobuf."
_TEXTS: Final = {f"{_PACKAGE}Timestamp": 3, f"{_PACKAGE}Duration": 4, f"{_PACKAGE}FieldMask": 5}
_WRAPPERS: Final = frozenset(
    f"{_PACKAGE}{name}Value" for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_VALUE: Final = f"{_PACKAGE}Value"
_ANY: Final = f"{_PACKAGE}Any"
_BARES: Final = {f"{_PACKAGE}Struct", f"{_PACKAGE}ListValue", _VALUE, *_WRAPPERS}
_F: Final = FieldDescriptor


class Plans:
    """The writers in C for the options of `encoders`, by message type."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._plan = None if is_pure() else COMPILED

    def of(self, descriptor: Any) -> BytesWriter | None:
        """The writer for a message type; None if there is none here, or none for this type."""
        if self._plan is None or descriptor.full_name == _ANY:
            return None
        table = self.table(descriptor)
        try:
            return self._plan(table).write
        except _REFUSALS:  # the table has something that the writer does not know; the message is written in Python
            return None

    def table(self, descriptor: Descriptor) -> tuple[Any, ...]:
        """The facts about `descriptor` and every message type within it, each in the place by which others refer to it."""
        places = {descriptor: 0}
        found = [descriptor]
        table: list[Any] = []
        for one in found:  # the list grows while the loop runs
            for field in one.fields:
                inner = field.message_type
                if inner is not None and inner not in places:
                    places[inner] = len(found)
                    found.append(inner)
            fields = sorted(one.fields, key=lambda field: field.number)
            table.append((self._form(one), tuple(self._field(field, places) for field in fields)))
        return tuple(table)

    def _form(self, descriptor: Descriptor) -> int:
        if descriptor.GetOptions().map_entry:
            return _ENTRY
        return _BARE if descriptor.full_name in _BARES else _TEXTS.get(descriptor.full_name, _OBJECT)

    def _field(self, field: FieldDescriptor, places: dict[Descriptor, int]) -> tuple[Any, ...]:
        bare = _holder(field) in _BARES
        kind = _kind(field)
        key = b"" if bare else msgspec.json.encode(self._encoders.name(field)) + b":"
        absent = self._default(field, kind) if (bare or self._encoders.print_defaults) and not _has_presence(field) else b""
        target = -1 if field.message_type is None else places[field.message_type]
        names: tuple[tuple[int, bytes], ...] = ()
        if kind == _F.TYPE_ENUM and not self._encoders.enums_as_ints:
            found = enum_names(enum_type(field))
            names = tuple((number, msgspec.json.encode(found[number])) for number in sorted(found))
        return field.number, kind, field.is_repeated and kind != _MAP, key, absent, target, names

    def _default(self, field: FieldDescriptor, kind: int) -> bytes:
        if field.is_repeated:
            return b"{}" if kind == _MAP else b"[]"
        return msgspec.json.encode(self._encoders.value(field)(field.default_value))


def _kind(field: FieldDescriptor) -> int:
    if field.message_type is not None:
        options = field.message_type.GetOptions()
        if options.map_entry:
            return _MAP
        return _REFUSED if field.message_type.full_name == _ANY or field.type == _F.TYPE_GROUP else _F.TYPE_MESSAGE
    if field.enum_type is not None:
        if field.enum_type.full_name == f"{_PACKAGE}NullValue":
            return _NULL
        return _REFUSED if field.enum_type.is_closed else _F.TYPE_ENUM
    return _FINITE if _holder(field) == _VALUE and field.type == _F.TYPE_DOUBLE else field.type


def _holder(field: FieldDescriptor) -> str:
    return cast("Descriptor", field.containing_type).full_name


def _has_presence(field: FieldDescriptor) -> bool:
    return not field.is_repeated and field.has_presence
