"""The fields that a contract marks with the option `debug_redact`: their values are for nobody who looks at a running system.

    string card_number = 1 [debug_redact = true];

The option is protobuf's own (google/protobuf/descriptor.proto), and its Python package prints such fields all the same.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


def marked_names(messages: Iterable[type[Message]]) -> frozenset[str]:
    """The names, as in protobuf's text and as in JSON, of all marked fields in `messages` and in what they hold."""
    return frozenset[str]().union(*map(_names, messages))


@lru_cache(4096)
def _names(message: type[Message]) -> frozenset[str]:
    marked = [field for descriptor in _reachable(message.DESCRIPTOR) for field in descriptor.fields if _is_marked(field)]
    return frozenset(name for field in marked for name in (field.name, field.json_name))


def without_marked(message: M) -> M:
    """A copy of `message` without its marked fields, at any depth. What is packed into a `google.protobuf.Any` stays as it is."""
    copy = type(message)()
    copy.CopyFrom(message)
    left: list[Message] = [copy]
    while left:
        at: Any = left.pop()
        for field, value in at.ListFields():
            if _is_marked(field) and field.is_extension:
                at.ClearExtension(field)
            elif _is_marked(field):
                at.ClearField(field.name)
            elif field.message_type is not None:
                left.extend(_messages(field, value))
    return copy


def _messages(field: FieldDescriptor, value: Any) -> Iterable[Message]:
    if not field.is_repeated:
        return (value,)
    if field.message_type is None or not field.message_type.GetOptions().map_entry:
        return value
    of = field.message_type.fields_by_name["value"].message_type
    return () if of is None else value.values()


def _is_marked(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().debug_redact)


def _reachable(root: Any) -> Iterator[Descriptor]:
    """The type `root` and those of all messages in it, each once."""
    left: list[Descriptor] = [root]
    known = {left[0].full_name}
    while left:
        descriptor = left.pop()
        yield descriptor
        for field in descriptor.fields:
            of = field.message_type
            if of is not None and of.full_name not in known:
                known.add(of.full_name)
                left.append(of)
