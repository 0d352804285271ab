"""The fields that a contract marks with the option `debug_redact`: their values are for nobody who looks at a running system.

    string card_number = 1 [debug_redact = true];

The option is protobuf's own (google/protobuf/descriptor.proto), and its Python package prints such fields all the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from towpath._core.service import MethodSpec

M = TypeVar("M", bound=Message)


def marked_names(methods: Iterable[MethodSpec[Any, Any]]) -> frozenset[str]:
    """The names, as in protobuf's text and as in JSON, of all marked fields in the messages of `methods`."""
    roots = [message.DESCRIPTOR for method in methods for message in (method.request, method.response)]
    marked = [field for descriptor in _reachable(roots) for field in descriptor.fields if _is_marked(field)]
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


def _reachable(roots: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """The types of `roots` and of all messages in them, each once."""
    left = list(roots)
    known = {descriptor.full_name for descriptor in left}
    while left:
        descriptor = left.pop()
        yield descriptor
        for field in descriptor.fields:
            of = field.message_type
            if of is not None and of.full_name not in known:
                known.add(of.full_name)
                left.append(of)
