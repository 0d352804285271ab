"""The `deprecation` role: says once that a method is called, or a field of its request set, which its contract calls deprecated.

Without it nobody learns of the option: a caller's code works as before, and the owner of the method does not know who is left to move. Once
in a process and side is enough, and costs the calls of all other methods nothing. Fields are looked at in unary requests, and in the
messages within them that are not repeated.
"""

import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from towpath._core.context import Context
from towpath._core.service import Handler, MethodKind, MethodSpec

log = logging.getLogger("towpath.app")

_said: Final[set[tuple[str, str]]] = set()
"""The sides, and the methods and fields, of which this process has spoken."""

_MOST: Final = 16
"""Deprecated fields of a request that are looked for."""


class Deprecation:
    """Logs the first call of each deprecated method, and the first request with each deprecated field, on `side`, as a warning."""

    role = "deprecation"

    def __init__(self, side: Literal["server", "client"]) -> None:
        self._side = side

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Deprecated methods, and methods whose requests have deprecated fields, have this role until this process has spoken of them."""
        calls = {method.full_name} if method.deprecated and (self._side, method.full_name) not in _said else set[str]()
        fields = deprecated_fields(method.request.DESCRIPTOR) if method.kind is MethodKind.UNARY else ()
        fields = [path for path in fields if (self._side, path[-1].full_name) not in _said]
        if not calls and not fields:
            return following
        kind = method.request

        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            if calls:
                self._tell(calls.pop(), ctx)
            for path in fields if isinstance(request, kind) else ():  # else the transport says what it is
                if is_set(request, path):
                    fields.remove(path)
                    self._tell(path[-1].full_name, ctx, is_field=True)
                    break  # the next call looks for further ones
            return following(request, ctx)

        return handle

    def _tell(self, name: str, ctx: Context, *, is_field: bool = False) -> None:
        if (self._side, name) in _said:
            return
        _said.add((self._side, name))
        if self._side == "client":
            did, use = ("sets", "set") if is_field else ("calls", "call")
            log.warning("this process %s %s, which is deprecated; its comment in the contract says what to %s", did, name, use)
        elif is_field:
            log.warning("%s is deprecated, and %s sets it in a request of %s", name, ctx.caller or ctx.peer or "a client", ctx.method)
        else:
            log.warning("%s is deprecated, and %s calls it", name, ctx.caller or ctx.peer or "a client")


def deprecated_fields(message: Descriptor) -> Sequence[tuple[FieldDescriptor, ...]]:
    """The deprecated fields of `message` and of the messages within it that are not repeated, each as the fields that lead to it. A type
    that is found in several places is looked into at the nearest of them. There are 16 at most, since each is looked for in every call."""
    found: list[tuple[FieldDescriptor, ...]] = []
    seen = {message.full_name}
    level: list[tuple[tuple[FieldDescriptor, ...], Descriptor]] = [((), message)]
    for outer, within in level:  # grows while it is read
        for field in within.fields:
            inner = field.message_type
            if field.GetOptions().deprecated:
                found.append((*outer, field))
            elif inner is not None and not field.is_repeated and inner.full_name not in seen:
                seen.add(inner.full_name)
                level.append(((*outer, field), inner))
    return found[:_MOST]


def is_set(message: Any, path: tuple[FieldDescriptor, ...]) -> bool:
    """Whether the field that `path` leads to is set: present, or not its default where that cannot be told."""
    for field in path:
        if not (message.HasField(field.name) if field.has_presence else getattr(message, field.name)):
            return False
        message = getattr(message, field.name)
    return True
