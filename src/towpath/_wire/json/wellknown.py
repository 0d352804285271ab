"""The well-known types, each with a JSON form of its own.

Protobuf's own classes write and read Duration and FieldMask, and write unusual Timestamps. Wrappers, Struct and Any are written and read
here, because their form is the mapping of the message inside.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, Protocol, cast

from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import NULL_VALUE

from towpath._wire.json import timestamps
from towpath._wire.json.depth import MAX_STRUCT_DEPTH
from towpath._wire.json.elements import Budget
from towpath._wire.json.errors import JsonError, shown, unexpected
from towpath._wire.json.scalars import floating, text

Writer = Callable[[Any], Any]
Reader = Callable[[Any], Message]
Filler = Callable[[Any, Any], None]
"""Fills a new message from a JSON value. Raises JsonError."""

_PACKAGE: Final = "google.protobuf."
_WRAPPERS: Final = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
_AS_TEXT: Final = ("Timestamp", "Duration", "FieldMask")
_MOST_PATHS: Final = 10_000
"""Paths of one FieldMask; protobuf's own class reads them one by one."""
TYPE: Final = "@type"


class Resolver:
    """Finds a message type by the URL that an `Any` carries. `pool` knows the types."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def find(self, url: str) -> type[Message]:
        """The class; raises JsonError for a type that is not linked in."""
        name = url.rpartition("/")[2]
        try:
            return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(name))
        except KeyError:
            raise JsonError(f"the type {shown(url)} of an Any is not known here") from None


def message_type(field: FieldDescriptor) -> Descriptor:
    """The type of a field that is known to be a message."""
    return cast("Descriptor", field.message_type)


def enum_type(field: FieldDescriptor) -> EnumDescriptor:
    """The type of a field that is known to be an enum."""
    return cast("EnumDescriptor", field.enum_type)


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """The name that is written for each number of an enum: the first of several names for one, as `allow_alias` allows."""
    values = enum.values_by_number
    return {number: values[number].name for number in values}  # items() has every name of a number, and would leave the last


class WriterSource(Protocol):
    """The part of `towpath._wire.json.encoding.Encoders` that the writers below use."""

    resolver: Resolver

    def of(self, descriptor: Any) -> Writer:
        """The writer of a message type."""
        ...

    def value(self, field: FieldDescriptor) -> Writer:
        """The writer of one value of a field."""
        ...


class ReaderSource(Protocol):
    """The part of `towpath._wire.json.decoding.Decoders` that the readers below use. `budget` is what the document may spend, None for a
    small one."""

    resolver: Resolver
    budget: Budget | None

    def of(self, descriptor: Any) -> Reader:
        """The reader of a message type."""
        ...

    def value(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """The reader of one value of a field."""
        ...


# Writers.


def _write_text(_source: WriterSource, descriptor: Descriptor) -> Writer:
    def write(message: Any) -> str:
        try:
            return message.ToJsonString()
        except ValueError as error:
            raise JsonError(f"this {descriptor.full_name} has no JSON: {error}") from None

    return write


def _write_timestamp(_source: WriterSource, _descriptor: Descriptor) -> Writer:
    return timestamps.write


def _write_wrapper(source: WriterSource, descriptor: Descriptor) -> Writer:
    write = source.value(descriptor.fields_by_name["value"])
    return lambda message: write(message.value)


def _write_struct(_source: WriterSource, _descriptor: Descriptor) -> Writer:
    return _struct


def _write_list(_source: WriterSource, _descriptor: Descriptor) -> Writer:
    return lambda message: [_value(item) for item in message.values]


def _write_value(_source: WriterSource, _descriptor: Descriptor) -> Writer:
    return _value


def _struct(message: Any) -> dict[str, Any]:
    return {key: _value(value) for key, value in message.fields.items()}


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None:
        raise JsonError("a google.protobuf.Value with nothing in it has no JSON; set null_value for null")
    if kind == "null_value":
        return None
    if kind == "struct_value":
        return _struct(message.struct_value)
    if kind == "list_value":
        return [_value(item) for item in message.list_value.values]
    value = getattr(message, kind)
    if kind == "number_value" and not isfinite(value):
        raise JsonError(f"a google.protobuf.Value cannot be {value}: JSON has no numeral for it")
    return value


def _write_any(source: WriterSource, _descriptor: Descriptor) -> Writer:
    def write(message: AnyMessage) -> dict[str, Any]:
        url = message.type_url
        if not url and not message.value:
            return {}
        inner = source.resolver.find(url)()
        try:
            inner.ParseFromString(message.value)
        except DecodeError:
            raise JsonError(f"the value of an Any is not a {inner.DESCRIPTOR.full_name}") from None
        written = source.of(inner.DESCRIPTOR)(inner)
        if inner.DESCRIPTOR.full_name in JSON_WRITERS:
            return {TYPE: url, "value": written}
        return {TYPE: url, **written}

    return write


JSON_WRITERS: Final[dict[str, Callable[[WriterSource, Descriptor], Writer]]] = {
    **{f"{_PACKAGE}{name}": _write_text for name in _AS_TEXT},
    f"{_PACKAGE}Timestamp": _write_timestamp,
    **{f"{_PACKAGE}{name}Value": _write_wrapper for name in _WRAPPERS},
    f"{_PACKAGE}Struct": _write_struct,
    f"{_PACKAGE}ListValue": _write_list,
    f"{_PACKAGE}Value": _write_value,
    f"{_PACKAGE}Any": _write_any,
}


# Readers.


def _read_text(_source: ReaderSource, descriptor: Descriptor) -> Filler:
    full_name, example = descriptor.full_name, _EXAMPLES[descriptor.name]
    read = _FROM_TEXT[descriptor.name]

    def fill(value: Any, message: Any) -> None:
        if type(value) is not str:
            raise unexpected(f"a {full_name} as a string", value)
        if value.count(",") >= _MOST_PATHS:
            raise JsonError(f"a {full_name} may have {_MOST_PATHS} paths")
        try:
            read(value, message)
        except (ValueError, LookupError):
            raise JsonError(f"{shown(value)} is not a {full_name}; write it like {example}") from None

    return fill


def _of_form(pattern: str) -> Filler:
    """Protobuf's own reader, for texts of a form. It alone would read more: spaces, underscores, digits of other scripts."""
    form = re.compile(pattern)

    def read(value: Any, message: Any) -> None:
        if not form.fullmatch(value):
            raise ValueError(value)
        message.FromJsonString(value)

    return read


_FROM_TEXT: Final[dict[str, Filler]] = {
    "Timestamp": timestamps.fill_with_offset,
    "Duration": _of_form(r"-?[0-9]{1,20}(\.[0-9]{1,9})?s"),
    "FieldMask": _of_form(r"[A-Za-z0-9.,]*"),
}
_EXAMPLES: Final = {"Timestamp": '"2013-01-31T23:59:59Z"', "Duration": '"1.5s"', "FieldMask": '"id,user.displayName"'}


def _read_timestamp(source: ReaderSource, descriptor: Descriptor) -> Filler:
    otherwise = _read_text(source, descriptor)

    def fill(value: Any, message: Any) -> None:
        try:
            timestamps.fill(value, message)
        except (ValueError, LookupError, TypeError):
            message.Clear()
            otherwise(value, message)

    return fill


def _read_wrapper(source: ReaderSource, descriptor: Descriptor) -> Filler:
    read = source.value(descriptor.fields_by_name["value"])

    def fill(value: Any, message: Any) -> None:
        message.value = read(value)

    return fill


def _of_values(fill: Filler) -> Callable[[ReaderSource, Descriptor], Filler]:
    def make(source: ReaderSource, _descriptor: Descriptor) -> Filler:
        budget = source.budget
        if budget is None:
            return fill

        def fill_counted(value: Any, message: Any) -> None:
            budget.spend_on(value)
            fill(value, message)

        return fill_counted

    return make


def _fill_struct(value: Any, message: Any, depth: int = 1) -> None:
    if type(value) is not dict:
        raise unexpected("an object", value)
    fields = message.fields
    for key, item in cast("dict[str, Any]", value).items():
        try:
            _fill_value(item, fields[text(key)], depth)
        except JsonError as error:
            raise error.within(key) from None


def _fill_list(value: Any, message: Any, depth: int = 1) -> None:
    if type(value) is not list:
        raise unexpected("an array", value)
    values = message.values
    add = values.add
    try:
        for item in cast("list[Any]", value):
            _fill_value(item, add(), depth)
    except JsonError as error:
        raise error.within(len(values) - 1) from None


def _fill_value(value: Any, message: Any, depth: int = 0) -> None:
    kind = cast("type[Any]", type(value))
    if kind is str:
        message.string_value = text(value)
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = NULL_VALUE
    elif kind is dict:
        inner = message.struct_value
        inner.SetInParent()
        if value:
            _fill_struct(value, inner, _deeper(depth))
    elif kind is list:
        inner = message.list_value
        inner.SetInParent()
        if value:
            _fill_list(value, inner, _deeper(depth))
    else:
        message.number_value = _number(value)


def _deeper(depth: int) -> int:
    if depth >= MAX_STRUCT_DEPTH:
        raise JsonError(f"a google.protobuf.Value is nested too deeply; {MAX_STRUCT_DEPTH} objects and arrays may be within each other")
    return depth + 1


def _read_any(source: ReaderSource, _descriptor: Descriptor) -> Filler:
    def fill(value: Any, message: Any) -> None:
        if type(value) is not dict:
            raise unexpected("an object", value)
        fields = dict(cast("dict[str, Any]", value))
        if not fields:
            return
        url = fields.pop(TYPE, None)
        if type(url) is not str or not url:
            raise JsonError(f'an Any needs its type as a string in "{TYPE}"')
        descriptor = source.resolver.find(url).DESCRIPTOR
        if descriptor.full_name in JSON_FILLERS:
            if list(fields) != ["value"]:
                raise JsonError(f'an Any of {descriptor.full_name} has "{TYPE}" and "value", and nothing else')
            inner = source.of(descriptor)(fields["value"])
        else:
            inner = source.of(descriptor)(fields)
        message.type_url = url
        message.value = inner.SerializeToString()

    return fill


_number = floating(single=False)

JSON_FILLERS: Final[dict[str, Callable[[ReaderSource, Descriptor], Filler]]] = {
    **{f"{_PACKAGE}{name}": _read_text for name in _AS_TEXT},
    f"{_PACKAGE}Timestamp": _read_timestamp,
    **{f"{_PACKAGE}{name}Value": _read_wrapper for name in _WRAPPERS},
    f"{_PACKAGE}Struct": _of_values(_fill_struct),
    f"{_PACKAGE}ListValue": _of_values(_fill_list),
    f"{_PACKAGE}Value": _of_values(_fill_value),
    f"{_PACKAGE}Any": _read_any,
}
