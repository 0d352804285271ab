"""JSON values into messages, the common way: one function per message type, written out from its descriptor and compiled on first use.

The function reads a message as nearly all are: fields that the type has, under their usual names, each of its usual kind. At anything else
it gives up before it has begun on a message within this one, and `towpath._wire.json.decoding` reads this message again by its tables,
which know the other spellings, the fields that may be ignored, and the place of a fault. So no scalar is read more than twice, and no
message within another one is read again. This module never decides that something is an error."""

import keyword
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath._wire.elements import weight_of
from towpath._wire.json import scalars
from towpath._wire.json.decoding import Decoders
from towpath._wire.json.elements import Budget
from towpath._wire.json.errors import JsonError
from towpath._wire.json.wellknown import JSON_FILLERS, Filler, enum_type, message_type

_F: Final = FieldDescriptor
_MANY_FIELDS: Final = 64
"""The fields from which a type counts as large. A message that has one in 32 of them is read by the tables, which look at those alone."""


class GiveUp(Exception):
    """The message is faulty, or not as plain as this module expects."""


GAVE_UP: Final = (GiveUp, ValueError, TypeError, LookupError, AttributeError)
"""The errors after which the tables read a message: an assignment checks types and ranges by itself."""


class Fillers:
    """The functions, by message type. `readers` knows what the common way does not, and fills the messages within others by this object."""

    def __init__(self, readers: Decoders) -> None:
        self._readers = readers
        self._made: dict[Descriptor, Filler] = {}
        readers.nested = self.of

    def of(self, descriptor: Any) -> Filler:
        """The function that fills a message of a type."""
        made = self._made.get(descriptor)
        if made is None:
            made = self._readers.filler(descriptor) if descriptor.full_name in JSON_FILLERS else self._make(descriptor)
            budget = self._readers.budget
            made = self._made[descriptor] = made if budget is None else _counted(made, budget, weight_of(descriptor))
        return made

    def _make(self, descriptor: Descriptor) -> Filler:
        names: dict[str, Any] = {"GiveUp": GiveUp, "GAVE_UP": GAVE_UP, "JsonError": JsonError, "placed": _placed}
        names["again"] = self._again(descriptor)
        lines = ["if type(value) is not dict: raise GiveUp", "if not value: return", "get = value.get", "seen = 0"]
        if len(descriptor.fields) >= _MANY_FIELDS:
            lines.insert(2, f"if len(value) < {len(descriptor.fields) // 32}: raise GiveUp")
        lines += [f"oneof_{oneof.index} = 0" for oneof in descriptor.oneofs]
        within: list[str] = []
        for field in descriptor.fields:
            if not field.name.isidentifier() or keyword.iskeyword(field.name) or _takes_null(field):
                continue
            item = "item"
            if field.message_type is not None:
                item = f"item_{field.number}"
            lines += [f"{item} = get({field.json_name!r})", f"if {item} is not None:", " seen += 1"]
            if field.containing_oneof is not None:
                group = f"oneof_{field.containing_oneof.index}"
                lines += [f" if {group}: raise GiveUp", f" {group} = 1"]
            if field.message_type is None:
                lines += [f" {line}" for line in self._set(field, names)]
            elif self._is_plain_map(field):
                # One by one, since a map's update() is `MutableMapping`'s, which asks its argument for its type.
                lines += [f" if type({item}) is not dict: raise GiveUp", f" inner = message.{field.name}"]
                lines.append(f" for key, one in {item}.items(): inner[key] = one")
            else:
                check, fill = self._fill(field, item, names)
                lines += check
                within += [f"if {item} is not None:", *(f" {line}" for line in fill)]
        lines.append("if seen != len(value): raise GiveUp")
        text = ["def fill(value, message):", " try:", *(f"  {line}" for line in lines)]
        text += [" except GAVE_UP:", "  again(value, message)", "  return"]
        if within:
            text += [
                " try:",
                *(f"  {line}" for line in within),
                " except JsonError as error:",
                "  raise placed(error, message, at) from None",
            ]
        exec("\n".join(text), names)  # noqa: S102 # the text is made here, with names only as the `repr` of strings or as identifiers
        return names["fill"]

    def _again(self, descriptor: Descriptor) -> Filler:
        fill = self._readers.filler(descriptor)

        def again(value: Any, message: Message) -> None:
            message.Clear()
            fill(value, message)

        return again

    def _fill(self, field: FieldDescriptor, item: str, names: dict[str, Any]) -> tuple[list[str], list[str]]:
        """The lines that look at a field of messages before any of them is begun, and the lines that read them."""
        target = f"message.{field.name}"
        inner = message_type(field)
        if inner.GetOptions().map_entry:
            if inner.fields_by_name["value"].message_type is None:
                read = _named(names, self._readers.field(field))
                lines = [f"inner = {target}", f"for key, one in {read}({item}).items(): inner[key] = one"]
                return [], [f"at = {field.json_name!r}, None", *lines]
            fill = _named(names, self._readers.map_filler(inner))
            return [], [f"at = {field.json_name!r}, None", f"{fill}({item}, {target})"]
        fill = self._message(inner, names)
        if not field.is_repeated:
            set_in_parent = "inner.SetInParent()" if inner.full_name in JSON_FILLERS else f"if not {item}: inner.SetInParent()"
            return [], [f"at = {field.json_name!r}, None", f"inner = {target}", set_in_parent, f"{fill}({item}, inner)"]
        lines = [f"at = {field.json_name!r}, {field.name!r}", f"add = {target}.add", f"for one in {item}: {fill}(one, add())"]
        return [f" if type({item}) is not list: raise GiveUp"], lines

    def _set(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        if not field.is_repeated:
            return self._set_scalar(field, names)
        target = f"message.{field.name}"
        if field.type == _F.TYPE_STRING:
            return ["if type(item) is not list: raise GiveUp", f"{target}.extend(item)"]
        return [f"{target}.extend({_named(names, self._readers.field(field))}(item))"]

    def _set_scalar(self, field: FieldDescriptor, names: dict[str, Any]) -> list[str]:
        target, kind = f"message.{field.name}", field.cpp_type
        if field.type == _F.TYPE_STRING:
            return [f"{target} = item"]  # the assignment refuses all other values
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

    def _is_plain_map(self, field: FieldDescriptor) -> bool:
        """Whether the field is a map from strings to strings, whose entries need not be counted."""
        entry = message_type(field)
        types = {one.type for one in entry.fields}
        return entry.GetOptions().map_entry and types == {_F.TYPE_STRING} and self._readers.budget is None

    def _message(self, descriptor: Descriptor, names: dict[str, Any]) -> str:
        name = f"f{len(names)}"

        def first(value: Any, message: Message) -> None:
            # The type may still be in the making, so its filler is put into its place when it is first needed.
            names[name] = filler = self.of(descriptor)
            filler(value, message)

        names[name] = first
        return name


def _counted(fill: Filler, budget: Budget, weight: int) -> Filler:
    def fill_counted(value: Any, message: Any) -> None:
        budget.spend(weight)
        fill(value, message)

    return fill_counted


def _placed(error: JsonError, message: Any, at: tuple[str, str | None]) -> JsonError:
    """The error as seen from the message in which a field has it: by the field's name in JSON, and as an attribute if it has many."""
    name, many = at
    return error.within(name) if many is None else error.within(len(getattr(message, many)) - 1).within(name)


def _takes_null(field: FieldDescriptor) -> bool:
    message, enum = field.message_type, field.enum_type
    full_name = message.full_name if message is not None else enum.full_name if enum is not None else ""
    return full_name in ("google.protobuf.Value", "google.protobuf.NullValue")


def _named(names: dict[str, Any], function: Callable[..., Any]) -> str:
    name = f"f{len(names)}"
    names[name] = function
    return name
