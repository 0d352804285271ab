"""JSON values into messages, the common way: one function per message type, written out from its descriptor and compiled on first use.

It reads what nearly every document is: the fields that the type has, under their usual names, each of its usual kind. Anything else makes
it give up, and `towpath.wire.json.decoding` reads the document again by its tables: it knows the other spellings, what may be ignored, and
where the fault is. So nothing here keeps track of where it is, and nothing here decides what is an error.
"""

import keyword
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath.wire.json import scalars, timestamps
from towpath.wire.json.wellknown import JSON_READERS, ReaderSource, enum_type, message_type

Filler = Callable[[Any, Any], None]
"""Fills a new message from a JSON value. Raises one of `GAVE_UP`."""

_F: Final = FieldDescriptor


class GiveUp(Exception):
    """The document is not as plain as this module takes it to be, or faulty."""


GAVE_UP: Final = (GiveUp, ValueError, TypeError, LookupError, AttributeError)
"""What a filler raises for a document that is to be read by the tables: an assignment checks types and ranges by itself."""


class Fillers:
    """The functions, by message type. `readers` has what the common way does not know: well-known types and maps."""

    def __init__(self, readers: ReaderSource) -> None:
        self._readers = readers
        self._made: dict[Descriptor, Filler] = {}

    def of(self, descriptor: Any) -> Filler:
        """The function for a message type."""
        made = self._made.get(descriptor)
        if made is None:
            made = self._made[descriptor] = self._whole(descriptor) if descriptor.full_name in JSON_READERS else self._make(descriptor)
        return made

    def _whole(self, descriptor: Descriptor) -> Filler:
        if descriptor.full_name == "google.protobuf.Timestamp":
            return timestamps.fill
        read = self._readers.of(descriptor)

        def fill(value: Any, message: Message) -> None:
            message.CopyFrom(read(value))

        return fill

    def _make(self, descriptor: Descriptor) -> Filler:
        names: dict[str, Any] = {"GiveUp": GiveUp}
        lines = ["def fill(value, message):", " if type(value) is not dict: raise GiveUp", " get = value.get", " seen = 0"]
        lines += [f" oneof_{oneof.index} = 0" for oneof in descriptor.oneofs]
        for field in descriptor.fields:
            if field.name.isidentifier() and not keyword.iskeyword(field.name) and not _takes_null(field):
                lines += [f" item = get({field.json_name!r})", " if item is not None:", "  seen += 1"]
                if field.containing_oneof is not None:
                    group = f"oneof_{field.containing_oneof.index}"
                    lines += [f"  if {group}: raise GiveUp", f"  {group} = 1"]
                lines += [f"  {line}" for line in self._set(field, names)]
        lines.append(" if seen != len(value): raise GiveUp")
        exec("\n".join(lines), names)  # noqa: S102 # the text is made here, with names only as the `repr` of strings or as identifiers
        return names["fill"]

    def _set(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        target = f"message.{field.name}"
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                return self._set_map(field, names)
            fill = self._message(field.message_type, names)
            if not field.is_repeated:
                return [f"inner = {target}", "if not item: inner.SetInParent()", f"{fill}(item, inner)"]
            return ["if type(item) is not list: raise GiveUp", f"add = {target}.add", f"for one in item: {fill}(one, add())"]
        if not field.is_repeated:
            return self._set_scalar(field, names)
        lines = ["if type(item) is not list: raise GiveUp"]
        if field.type == _F.TYPE_STRING:
            return [*lines, f"{target}.extend(item)"]
        read = _named(names, self._readers.value(field))
        return [*lines, f"{target}.extend([{read}(one) for one in item])"]

    def _set_scalar(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        target, kind = f"message.{field.name}", field.cpp_type
        if field.type == _F.TYPE_STRING:
            return [f"{target} = item"]  # the assignment refuses all else
        if kind in (_F.CPPTYPE_INT32, _F.CPPTYPE_UINT32):
            usual, direct = "int", "item"
        elif kind == _F.CPPTYPE_BOOL:
            usual, direct = "bool", "item"
        elif kind == _F.CPPTYPE_DOUBLE:
            usual, direct = "float", "item"
        elif kind in (_F.CPPTYPE_INT64, _F.CPPTYPE_UINT64):
            read = _named(names, self._readers.value(field))
            return [f"{target} = int(item) if type(item) is str and item.isdigit() else {read}(item)"]
        elif kind == _F.CPPTYPE_ENUM:
            names[numbers := f"numbers_{len(names)}"] = {name: value.number for name, value in enum_type(field).values_by_name.items()}
            return [f"{target} = {numbers}[item]"]
        else:
            read = _named(names, scalars.binary if field.type == _F.TYPE_BYTES else self._readers.value(field))
            return [f"{target} = {read}(item)"]
        return [f"if type(item) is not {usual}: raise GiveUp", f"{target} = {direct}"]

    def _set_map(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        entry = message_type(field).fields_by_name
        if entry["key"].type == entry["value"].type == _F.TYPE_STRING:
            # One by one, since a map's update() is `MutableMapping`'s, which asks what it was given for its type.
            lines = ["if type(item) is not dict: raise GiveUp", f"inner = message.{field.name}"]
            return [*lines, "for key, one in item.items(): inner[key] = one"]
        read = _named(names, self._readers.field(field))
        if entry["value"].message_type is None:
            return [f"inner = message.{field.name}", f"for key, one in {read}(item).items(): inner[key] = one"]
        return [f"for key, one in {read}(item).items(): message.{field.name}[key].CopyFrom(one)"]

    def _message(self, descriptor: Descriptor, names: dict[str, Any]) -> str:
        name = f"f{len(names)}"

        def first(value: Any, message: Message) -> None:
            # The type may be the one that is being made, so its filler is put into its place when it is first needed.
            names[name] = filler = self.of(descriptor)
            filler(value, message)

        names[name] = first
        return name


def _takes_null(field: FieldDescriptor) -> bool:
    message, enum = field.message_type, field.enum_type
    full_name = message.full_name if message is not None else enum.full_name if enum is not None else ""
    return full_name in ("google.protobuf.Value", "google.protobuf.NullValue")


def _named(names: dict[str, Any], function: Callable[..., Any]) -> str:
    name = f"f{len(names)}"
    names[name] = function
    return name
