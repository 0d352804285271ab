"""Messages to JSON values: one function per message type, written out from its descriptor and compiled on first use.

The text of the function reads each field by name and tests its presence in place (docs/adr/0007). It takes nothing from a descriptor but
identifiers that Python's grammar allows, and the `repr` of strings.
"""

import keyword
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath._wire.json import scalars
from towpath._wire.json.wellknown import JSON_WRITERS, Resolver, enum_names, enum_type, message_type

Writer = Callable[[Any], Any]
"""From a message or a field's value to a value that msgspec can write; bytes are left to it, since it makes base64 in half the time."""

_F: Final = FieldDescriptor
_AS_STRING: Final = frozenset({_F.CPPTYPE_INT64, _F.CPPTYPE_UINT64})
_FLOATS: Final = frozenset({_F.CPPTYPE_FLOAT, _F.CPPTYPE_DOUBLE})


class Encoders:
    """The functions for one set of options, by full name of the message type."""

    def __init__(self, resolver: Resolver, *, proto_names: bool, print_defaults: bool, enums_as_ints: bool) -> None:
        self.proto_names = proto_names
        self.print_defaults = print_defaults
        self.enums_as_ints = enums_as_ints
        self.resolver = resolver
        self._made: dict[Descriptor, Writer] = {}

    def of(self, descriptor: Any) -> Writer:
        """The function for a message type."""
        made = self._made.get(descriptor)
        if made is None:
            made = self._made[descriptor] = self._make(descriptor)
        return made

    def name(self, field: FieldDescriptor) -> str:
        """The field's name in JSON."""
        return field.name if self.proto_names else field.json_name

    def value(self, field: FieldDescriptor) -> Writer:
        """The writer of one value of `field`."""
        names: dict[str, Any] = {"str": str}
        return eval(f"lambda value: {self._value(field, names)}", names)  # noqa: S307 # the text is made here; see the module's docstring

    def field(self, field: FieldDescriptor) -> Writer:
        """The writer of one field of a message, also of a message that has JSON of its own. It returns None for a field that the message
        knows to be absent."""
        names: dict[str, Any] = {"str": str}
        write = eval(f"lambda value: {self._expression(field, names)}", names)  # noqa: S307 # the text is made here, as above
        absent = not field.is_repeated and field.has_presence

        def write_field(message: Any) -> Any:
            return None if absent and not message.HasField(field.name) else write(getattr(message, field.name))

        return write_field

    def _make(self, descriptor: Descriptor) -> Writer:
        well_known = JSON_WRITERS.get(descriptor.full_name)
        if well_known is not None:
            return well_known(self, descriptor)
        lines = ["def write(message):", " out = {}", " has = message.HasField"]
        names: dict[str, Any] = {"getattr": getattr, "str": str, "is_set": scalars.is_set}
        for field in sorted(descriptor.fields, key=lambda field: field.number):  # the order of protobuf's bytes and of its own JSON
            lines += self._field(field, names)
        lines.append(" return out")
        exec("\n".join(lines), names)  # noqa: S102 # the text is made here; see the module's docstring
        return names["write"]

    def _field(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        key = repr(self.name(field))
        # An attribute, unless the name is a keyword of Python.
        plain = field.name.isidentifier() and not keyword.iskeyword(field.name)
        read = f" value = message.{field.name}" if plain else f" value = getattr(message, {field.name!r})"
        expression = self._expression(field, names)
        if not field.is_repeated and field.has_presence:
            return [f" if has({field.name!r}):", f" {read}", f"  out[{key}] = {expression}"]
        if self.print_defaults:
            return [read, f" out[{key}] = {expression}"]
        test = "value or is_set(value)" if not field.is_repeated and field.cpp_type in _FLOATS else "value"
        return [read, f" if {test}: out[{key}] = {expression}"]

    def _expression(self, field: FieldDescriptor, names: dict[str, Any]) -> str:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(field, names)
        item = self._value(field, names)
        if not field.is_repeated:
            return item
        return "value[:]" if item == "value" else f"[{item} for value in value[:]]"  # iterating over a copy as a list takes half the time

    def _map(self, field: FieldDescriptor, names: dict[str, Any]) -> str:
        entry = message_type(field).fields_by_name
        keys, values = entry["key"], entry["value"]
        item = self._value(values, names)
        if keys.cpp_type == _F.CPPTYPE_STRING:
            key = "key"
        elif keys.cpp_type == _F.CPPTYPE_BOOL:
            key = "('true' if key else 'false')"
        else:
            key = "str(key)"
        # Iterating by items() reads the values of a map of messages without creating one.
        return f"{{{key}: {item} for key, value in value.items()}}"

    def _value(self, field: FieldDescriptor, names: dict[str, Any]) -> str:
        """An expression of `value` that writes one value of the field."""
        kind = field.cpp_type
        if kind in _AS_STRING:
            return "str(value)"
        writer: Writer | None = None
        if kind == _F.CPPTYPE_DOUBLE:
            names["double"] = scalars.double
            return "(value if value - value == 0 else double(value))"  # an infinity or NaN gives no 0 here
        if kind == _F.CPPTYPE_FLOAT:
            writer = scalars.single
        elif kind == _F.CPPTYPE_ENUM:
            enum = enum_type(field)
            if enum.full_name != "google.protobuf.NullValue":
                return "value" if self.enums_as_ints else self._enum(enum, names)
            writer = _null
        elif kind == _F.CPPTYPE_MESSAGE:
            return self._message(message_type(field), names)
        if writer is None:
            return "value"
        name = f"write_{len(names)}"
        names[name] = writer
        return f"{name}(value)"

    def _enum(self, enum: EnumDescriptor, names: dict[str, Any]) -> str:
        name = f"names_{len(names)}"
        names[name] = enum_names(enum).get
        return f"{name}(value, value)"

    def _message(self, descriptor: Descriptor, names: dict[str, Any]) -> str:
        name = f"write_{len(names)}"

        def first(message: Message) -> Any:
            # The type may still be in the making, so its writer is put into its place when it is first needed.
            names[name] = writer = self.of(descriptor)
            return writer(message)

        names[name] = first
        return f"{name}(value)"


def _null(_: int) -> None:
    return None
