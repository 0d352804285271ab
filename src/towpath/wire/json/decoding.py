"""JSON values to messages by tables, one per message type: every spelling that the mapping allows, and every fault by its place.

The common document is read by `towpath.wire.json.filling`; this is what decides about all others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath.wire.json import scalars
from towpath.wire.json.errors import JsonError, shown, unexpected
from towpath.wire.json.wellknown import JSON_READERS, Reader, Resolver, enum_type, message_type

Unknown = Literal["refuse", "ignore"]
"""What becomes of a field or an enum value that the message type does not have."""

_F: Final = FieldDescriptor
_NULL_VALUE: Final = "google.protobuf.NullValue"


class Field:
    """How one field is read. `takes_null` says whether null is a value of it; elsewhere it is as good as absent."""

    __slots__ = ("name", "oneof", "read", "takes_null")

    def __init__(self, descriptor: FieldDescriptor, read: Callable[[Any], Any]) -> None:
        self.name = descriptor.name
        oneof = descriptor.containing_oneof
        self.oneof = None if oneof is None else oneof.name
        message, enum = descriptor.message_type, descriptor.enum_type
        is_value = message is not None and message.full_name == "google.protobuf.Value"
        self.takes_null = not descriptor.is_repeated and (is_value or (enum is not None and enum.full_name == _NULL_VALUE))
        self.read = read


class Decoders:
    """The functions for one set of options, by message type."""

    def __init__(self, resolver: Resolver, *, unknown_fields: Unknown) -> None:
        self.resolver = resolver
        self._ignore = unknown_fields == "ignore"
        self._made: dict[Descriptor, Reader] = {}

    def of(self, descriptor: Any) -> Reader:
        """The function for a message type."""
        made = self._made.get(descriptor)
        if made is None:
            well_known = JSON_READERS.get(descriptor.full_name)
            made = self._made[descriptor] = self._reader(descriptor) if well_known is None else well_known(self, descriptor)
        return made

    def fields(self, descriptor: Descriptor) -> Mapping[str, Field]:
        """The fields of a message type by each name that JSON may use: lowerCamelCase, or the contract's own."""
        table: dict[str, Field] = {}
        for field in descriptor.fields:
            table[field.name] = table[field.json_name] = Field(field, self.field(field))
        return table

    def _reader(self, descriptor: Descriptor) -> Reader:
        make: type[Message] = message_factory.GetMessageClass(descriptor)
        fields = self.fields(descriptor)
        ignore = self._ignore

        def read(value: Any) -> Message:
            if type(value) is not dict:
                raise unexpected(f"an object for {descriptor.full_name}", value)
            values: dict[str, Any] = {}
            oneofs: dict[str, str] = {}
            key = ""
            try:
                for key, item in cast("dict[str, Any]", value).items():
                    field = fields.get(key)
                    if field is None:
                        if ignore:
                            continue
                        raise JsonError(f"{descriptor.full_name} has no such field")
                    name = field.name
                    if item is None and not field.takes_null:
                        continue
                    if name in values:
                        raise JsonError(f"the field {name} is there twice, under both of its names")
                    found = field.read(item)
                    if found is None:  # a name of an enum that is to be ignored
                        continue
                    if field.oneof is not None:
                        other = oneofs.setdefault(field.oneof, key)
                        if other != key:
                            raise JsonError(f"{other} is there too, and only one of oneof {field.oneof} may be")
                    values[name] = found
            except JsonError as error:
                raise error.within(key) from None
            return make(**values)

        return read

    def value(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """The reader of one value of `field`."""
        kind = field.cpp_type
        if kind == _F.CPPTYPE_MESSAGE:
            return self._later(message_type(field))
        if kind == _F.CPPTYPE_ENUM:
            enum = enum_type(field)
            if enum.full_name == _NULL_VALUE:
                return _null
            return scalars.enumeration(enum, self._unknown)
        if kind == _F.CPPTYPE_STRING:
            return scalars.binary if field.type == _F.TYPE_BYTES else scalars.text
        if kind == _F.CPPTYPE_BOOL:
            return scalars.boolean
        if kind in (_F.CPPTYPE_DOUBLE, _F.CPPTYPE_FLOAT):
            return scalars.floating(single=kind == _F.CPPTYPE_FLOAT)
        return scalars.integer(kind)

    def _unknown(self, reason: str) -> None:
        if not self._ignore:
            raise JsonError(reason)

    def field(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """The reader of a field: of a list or a map if it is repeated."""
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(field.message_type)
        read = self.value(field)
        if not field.is_repeated:
            return read
        ignores = self._ignore and field.enum_type is not None

        def read_all(value: Any) -> list[Any]:
            if type(value) is not list:
                raise unexpected("an array", value)
            found: list[Any] = []
            try:
                found.extend(read(item) for item in cast("list[Any]", value))  # those before a fault are there, and tell its index
            except JsonError as error:
                raise error.within(len(found)) from None
            return [one for one in found if one is not None] if ignores else found

        return read_all

    def _map(self, entry: Descriptor) -> Callable[[Any], Any]:
        keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
        read_key, read = scalars.map_key(keys.cpp_type), self.value(values)

        def read_all(value: Any) -> dict[Any, Any]:
            if type(value) is not dict:
                raise unexpected("an object", value)
            found: dict[Any, Any] = {}
            for key, item in cast("dict[str, Any]", value).items():
                try:
                    made = read_key(key)
                    if made in found:
                        raise JsonError(f"the key {shown(key)} is there twice")
                    one = read(item)
                except JsonError as error:
                    raise error.within(f'["{key}"]') from None
                if one is not None:
                    found[made] = one
            return found

        return read_all

    def _later(self, descriptor: Descriptor) -> Reader:
        """The reader of a message type that may be the one that is being made."""
        made = self._made

        def read(value: Any) -> Message:
            reader = made.get(descriptor) or self.of(descriptor)
            return reader(value)

        return read


def _null(value: Any) -> int:
    if value is None or value in ("NULL_VALUE", 0):
        return 0
    raise unexpected("null", value)
