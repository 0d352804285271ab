"""One field from a text, as a URL carries it: a path variable, or one value of a query parameter."""

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from towpath._core.http_bindings import fits_in_text
from towpath._wire.json.decoding import Decoders
from towpath._wire.json.errors import JsonError, unexpected

_F: Final = FieldDescriptor
_BOOLEANS: Final = {"true": True, "false": False}


def set_from_text(decoders: Decoders, message: Message, field: FieldDescriptor, value: str) -> None:
    """Set `field` of `message`, or append to it if it is repeated. Raises JsonError for a text that is no value of the field."""
    read = decoders.value(field)
    found = read(_as_json(field, value))
    if found is None:  # an enum name that has to be ignored
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
