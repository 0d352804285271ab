"""One field from a text, as a URL carries it: a path variable, or one value of a query parameter."""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from towpath.wire.json.decoding import Decoders
from towpath.wire.json.errors import JsonError, unexpected
from towpath.wire.json.wellknown import JSON_READERS

_F: Final = FieldDescriptor
_NOT_IN_TEXT: Final = frozenset({"google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})
_BOOLEANS: Final = {"true": True, "false": False}


def fits_in_text(field: FieldDescriptor) -> bool:
    """Whether a field, repeated or not, can be given as text: a scalar, an enum, or a message whose JSON is one, such as a Timestamp."""
    message = field.message_type
    return message is None or (message.full_name in JSON_READERS and message.full_name not in _NOT_IN_TEXT)


def set_from_text(decoders: Decoders, message: Message, field: FieldDescriptor, value: str) -> None:
    """Set `field` of `message`, or append to it if it is repeated. Raises JsonError for a text that is no value of the field."""
    read = decoders.value(field)
    found = read(_as_json(field, value))
    if found is None:  # a name of an enum that is to be ignored
        return
    target: Any = getattr(message, field.name)
    if field.is_repeated:
        target.append(found)
    elif field.message_type is not None:
        target.CopyFrom(found)
    else:
        setattr(message, field.name, found)


def _as_json(field: FieldDescriptor, value: str) -> Any:
    """The JSON value that the text stands for: numbers may come as strings there too, booleans may not."""
    inner = field
    if field.message_type is not None:
        if not fits_in_text(field):
            raise JsonError(f"a {field.message_type.full_name} cannot be given as text")
        wrapped = field.message_type.fields_by_name.get("value")
        if wrapped is None:
            return value
        inner = wrapped
    if inner.cpp_type != _F.CPPTYPE_BOOL:
        return value
    if value not in _BOOLEANS:
        raise unexpected("true or false", value)
    return _BOOLEANS[value]
