"""The maps of a message type whose keys are integers.

upb puts such an entry into a table by the lower bits of its key, so a caller can choose keys that all go to one place, and reading them
takes quadratic time. A server counts such keys before it reads them and refuses those that crowd (`towpath._wire.key_crowding`). Strings
are hashed with a secret, and none of them is refused.
"""

from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

_OTHERS: Final = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BOOL})


def integer_keyed_maps(message: Any) -> tuple[str, ...]:
    """The full names of the fields, in the type with the descriptor `message` and in all types within it, that are maps with integers for
    keys."""
    found: list[str] = []
    seen = {message}
    for one in (waiting := [cast("Descriptor", message)]):  # grows while it is gone through
        for field in one.fields:
            inner = field.message_type
            if inner is None:
                continue
            if inner.GetOptions().map_entry and inner.fields_by_name["key"].type not in _OTHERS:
                found.append(field.full_name)
            if inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    return tuple(found)
