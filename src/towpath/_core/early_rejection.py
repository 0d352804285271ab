"""Early rejection: a layer's decision about a call before the call costs a task.

An overloaded server loses the work that it has done for a call before rejecting it. So the transport asks a layer twice before it runs a
handler: when the headers of a unary gRPC call have come, and when a unary call of any protocol has arrived whole. A rejection on arrival
costs a tenth of a rejection by a handler, and a rejection by the headers half of that. About a request to a mounted application the
transport asks when the head has arrived.

The transport does not ask about other streams, nor if its server was given no such layer. So the handler that the layer wraps must also
work for calls without a verdict.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Protocol, runtime_checkable

from towpath._core.context import Context, Criticality
from towpath._core.errors import RpcError
from towpath._core.service import Layer, MethodSpec


class Verdict(Enum):
    """The decision about a call that is not rejected."""

    ADMIT = "admit"
    """The call begins now."""
    WAIT = "wait"
    """The layer begins or rejects the call later, through its `PendingCall`."""


ADMIT: Final = Verdict.ADMIT
"""The call begins now."""

WAIT: Final = Verdict.WAIT
"""The layer begins or rejects the call later, through its `PendingCall`."""


class Rejection:
    """The verdict that ends a call. One object may end many calls: the transport encodes its error once."""

    __slots__ = ("encoded", "error")

    def __init__(self, error: RpcError) -> None:
        self.error: Final = error
        """The error that the callers get. It is shared, so that code which raises it has to copy it."""
        self.encoded = b""
        """The error as the transport has encoded it for callers over gRPC; empty before the first of them gets it."""


class RequestHeaders(Protocol):
    """The headers of a request, before a call is made of them."""

    def priority(self, extra: Sequence[tuple[bytes, bytes]], /) -> tuple[Criticality, int, int]:
        """The call's criticality, the number of attempts before this one, and the cohort (0-127). `extra` are the fields in which the
        headers of this call differ from those of others."""
        ...


class PendingCall(Protocol):
    """A call that has arrived whole. Its message is not decoded yet, and it has no task."""

    @property
    def over(self) -> bool:
        """Whether the caller no longer waits for the call."""
        ...

    def begin(self) -> None:
        """Run the handler, in a task of its own."""
        ...

    async def run(self) -> None:
        """Run the handler in the current task, which is the call's from then on. Never raises."""
        ...

    def reject(self, rejection: Rejection, /) -> None:
        """End the call."""
        ...


class EarlyRejection(Protocol):
    """The early rejection of one method. Both methods must be quick. A call whose verdict fails with an exception is admitted, and the
    exception logged."""

    def on_headers(self, headers: RequestHeaders, extra: Sequence[tuple[bytes, bytes]], /) -> Rejection | None:
        """Reject a call of which only the headers have come, or return None to let it arrive."""
        ...

    def on_arrival(self, ctx: Context, call: PendingCall, /) -> Verdict | Rejection:
        """Decide on a call that has arrived whole. After WAIT the layer has to call `begin`, `run` or `reject` of `call`, and only then."""
        ...


@runtime_checkable
class RejectsEarly(Protocol):
    """A layer that decides early."""

    def early_rejection(self, method: MethodSpec[Any, Any], /) -> EarlyRejection | None:
        """The early rejection of `method`; None if it has none. It is called after `wrap`."""
        ...


def early_rejection_of(layers: Sequence[Layer], method: MethodSpec[Any, Any]) -> EarlyRejection | None:
    """The first early rejection that `layers` have for `method`."""
    for layer in layers:
        found = layer.early_rejection(method) if isinstance(layer, RejectsEarly) else None
        if found is not None:
            return found
    return None
