"""JSON values to messages by tables, one per message type: every spelling that the mapping allows, and every fault by its place.

`towpath._wire.json.filling` reads the common message; this module decides about all others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath._wire.json import scalars
from towpath._wire.json.elements import Budget
from towpath._wire.json.errors import JsonError, shown, unexpected
from towpath._wire.json.wellknown import JSON_FILLERS, Filler, Reader, Resolver, enum_type, message_type
from towpath._wire.key_crowding import MOST_STEPS, steps

Unknown = Literal["refuse", "ignore"]
"""How a field or an enum value is treated that the message type does not have."""

Setter = Callable[[Any, Any], bool]

_F: Final = FieldDescriptor
_SMALL_MAP: Final = 1024
"""Entries that are read soon enough whatever their keys are."""
_STEPS: Final = 400
"""Places that upb looks at in the time of one element."""
_HALVES: Final = frozenset({_F.CPPTYPE_INT32, _F.CPPTYPE_UINT32})
_NULL_VALUE: Final = "google.protobuf.NullValue"


class Field:
    """How one field is read. `set` sets it in a message, and returns False for a value that has to be ignored. `takes_null` says whether
    null is a value of the field; elsewhere null is as good as absent."""

    __slots__ = ("name", "oneof", "set", "takes_null")

    def __init__(self, descriptor: FieldDescriptor, set_: Setter) -> None:
        self.name = descriptor.name
        oneof = descriptor.containing_oneof
        self.oneof = None if oneof is None else oneof.name
        message, enum = descriptor.message_type, descriptor.enum_type
        is_value = message is not None and message.full_name == "google.protobuf.Value"
        self.takes_null = not descriptor.is_repeated and (is_value or (enum is not None and enum.full_name == _NULL_VALUE))
        self.set = set_


class Decoders:
    """The functions for one set of options, by message type. With a `budget` they are for one document alone, which may spend it."""

    def __init__(self, resolver: Resolver, *, unknown_fields: Unknown, budget: Budget | None = None) -> None:
        self.resolver = resolver
        self.budget = budget
        self.nested: Callable[[Any], Filler] = self.filler
        """Fills the messages within a message: the common way, once there is one, which keeps the functions it makes."""
        self._ignore = unknown_fields == "ignore"

    def filler(self, descriptor: Any) -> Filler:
        """A new function that fills a message of a type."""
        well_known = JSON_FILLERS.get(descriptor.full_name)
        return self._filler(descriptor) if well_known is None else well_known(self, descriptor)

    def of(self, descriptor: Any) -> Reader:
        """A function that makes a message of a type."""
        make: type[Message] = message_factory.GetMessageClass(descriptor)
        fill = self._later(descriptor)

        def read(value: Any) -> Message:
            message = make()
            fill(value, message)
            return message

        return read

    def fields(self, descriptor: Descriptor) -> Mapping[str, Field]:
        """The fields of a message type by each name that JSON may use: lowerCamelCase, or the contract's own."""
        table: dict[str, Field] = {}
        for field in descriptor.fields:
            table[field.name] = table[field.json_name] = Field(field, self._setter(field))
        return table

    def _filler(self, descriptor: Descriptor) -> Filler:
        fields = self.fields(descriptor)
        ignore = self._ignore

        def fill(value: Any, message: Any) -> None:
            if type(value) is not dict:
                raise unexpected(f"an object for {descriptor.full_name}", value)
            seen: set[str] = set()
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
                    if name in seen:
                        raise JsonError(f"the field {name} is there twice, under both of its names")
                    if not field.set(item, message):  # an enum name that has to be ignored
                        continue
                    if field.oneof is not None:
                        other = oneofs.setdefault(field.oneof, key)
                        if other != key:
                            raise JsonError(f"{other} is there too, and only one of oneof {field.oneof} may be")
                    seen.add(name)
            except JsonError as error:
                raise error.within(key) from None

        return fill

    def _setter(self, field: FieldDescriptor) -> Setter:
        name = field.name
        if field.message_type is None or _is_map_of_scalars(field):
            return self._scalar_setter(field)
        if field.message_type.GetOptions().map_entry:
            fill_map = self.map_filler(field.message_type)

            def set_map(value: Any, message: Any) -> bool:
                fill_map(value, getattr(message, name))
                return True

            return set_map
        fill = self._later(field.message_type)

        def set_one(value: Any, message: Any) -> bool:
            inner = getattr(message, name)
            inner.SetInParent()
            fill(value, inner)
            return True

        def set_all(value: Any, message: Any) -> bool:
            if type(value) is not list:
                raise unexpected("an array", value)
            inner = getattr(message, name)
            try:
                for item in cast("list[Any]", value):
                    fill(item, inner.add())
            except JsonError as error:
                raise error.within(len(inner) - 1) from None
            return True

        return set_all if field.is_repeated else set_one

    def _scalar_setter(self, field: FieldDescriptor) -> Setter:
        name, read = field.name, self.field(field)
        if field.message_type is not None:

            def set_map(value: Any, message: Any) -> bool:
                inner = getattr(message, name)
                for key, item in read(value).items():
                    inner[key] = item
                return True

            return set_map
        if field.is_repeated:

            def set_all(value: Any, message: Any) -> bool:
                getattr(message, name).extend(read(value))
                return True

            return set_all

        def set_one(value: Any, message: Any) -> bool:
            found = read(value)
            if found is not None:
                setattr(message, name, found)
            return found is not None

        return set_one

    def value(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """The reader of one value of `field`."""
        kind = field.cpp_type
        if kind == _F.CPPTYPE_MESSAGE:
            return self.of(message_type(field))
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
        """The reader of a field without messages: of a list or a map if it is repeated."""
        if field.message_type is not None:
            return self._map(field.message_type)
        read = self.value(field)
        if not field.is_repeated:
            return read
        ignores = self._ignore and field.enum_type is not None
        budget, plain = self.budget, scalars.plain(field)

        def read_all(value: Any) -> list[Any]:
            if type(value) is not list:
                raise unexpected("an array", value)
            if plain(cast("list[Any]", value)):
                return cast("list[Any]", value)
            if budget is not None:
                budget.listed(cast("list[Any]", value))
            found: list[Any] = []
            try:
                found.extend(map(read, cast("list[Any]", value)))  # the values before a fault are there, and tell its index
            except JsonError as error:
                raise error.within(len(found)) from None
            return [one for one in found if one is not None] if ignores else found

        return read_all

    def _map(self, entry: Descriptor) -> Callable[[Any], Any]:
        read_key, read = _key_of(entry), self.value(entry.fields_by_name["value"])
        budget = self.budget

        def read_all(value: Any) -> dict[Any, Any]:
            if type(value) is not dict:
                raise unexpected("an object", value)
            found: dict[Any, Any] = {}
            key = ""
            try:
                if budget is not None:
                    budget.spend(len(cast("dict[str, Any]", value)))
                _check_keys(cast("dict[str, Any]", value), entry, read_key, budget)
                for key, item in cast("dict[str, Any]", value).items():
                    made = read_key(key)
                    if made in found:
                        raise JsonError(f"the key {shown(key)} is there twice")
                    one = read(item)
                    if one is not None:
                        found[made] = one
            except JsonError as error:
                raise error.within(f'["{key}"]') from None
            return found

        return read_all

    def map_filler(self, entry: Descriptor) -> Filler:
        """A function that fills a map of messages."""
        read_key, fill = _key_of(entry), self._later(message_type(entry.fields_by_name["value"]))
        budget = self.budget

        def fill_map(value: Any, inner: Any) -> None:
            if type(value) is not dict:
                raise unexpected("an object", value)
            key = ""
            try:
                _check_keys(cast("dict[str, Any]", value), entry, read_key, budget)
                for key, item in cast("dict[str, Any]", value).items():
                    made = read_key(key)
                    if made in inner:
                        raise JsonError(f"the key {shown(key)} is there twice")
                    fill(item, inner[made])
            except JsonError as error:
                raise error.within(f'["{key}"]') from None

        return fill_map

    def _later(self, descriptor: Descriptor) -> Filler:
        """A function that fills a message of a type that may still be in the making."""

        def fill(value: Any, message: Message) -> None:
            self.nested(descriptor)(value, message)

        return fill


def _is_map_of_scalars(field: FieldDescriptor) -> bool:
    entry = message_type(field)
    return entry.GetOptions().map_entry and entry.fields_by_name["value"].message_type is None


def _key_of(entry: Descriptor) -> Callable[[str], Any]:
    return scalars.map_key(entry.fields_by_name["key"].cpp_type)


def _check_keys(entries: dict[str, Any], entry: Descriptor, read_key: Callable[[str], Any], budget: Budget | None) -> None:
    """Raises JsonError if so many integer keys have one place in upb's tables that reading them would take long."""
    if len(entries) > _SMALL_MAP and entry.fields_by_name["key"].cpp_type in scalars.RANGES:
        bits = (1 << 32) - 1 if entry.fields_by_name["key"].cpp_type in _HALVES else (1 << 64) - 1
        found = steps({read_key(key) & bits: 1 for key in entries})
        if found > MOST_STEPS:
            raise JsonError("the integers that are keys are such that it would take too long to read them")
        if budget is not None:
            budget.spend(found // _STEPS)


def _null(value: Any) -> int:
    if value is None or value in ("NULL_VALUE", 0):
        return 0
    raise unexpected("null", value)
