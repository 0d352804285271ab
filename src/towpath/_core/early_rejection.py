"""Early rejection: what a layer may decide of a call before the call costs a task.

A server that is overloaded spends on a rejected call what it has done for it so far. So the transport asks a layer twice before it runs a
handler: when the headers of a unary gRPC call have come, and when a unary call of any protocol has arrived whole. A rejection on arrival
costs a tenth of one by a handler, and a rejection by the headers half of that.

Streams, and calls of a server without such a layer, are asked about by nobody. So the handler that the layer wraps has to do without.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final, Protocol, runtime_checkable

from towpath._core.context import Context, Criticality
from towpath._core.errors import RpcError
from towpath._core.service import Layer, MethodSpec


class Verdict(Enum):
    """What becomes of a call that is not rejected."""

    ADMIT = "admit"
    WAIT = "wait"


ADMIT: Final = Verdict.ADMIT
"""The call begins now."""

WAIT: Final = Verdict.WAIT
"""The call begins, or is rejected, once the layer says so to its `PendingCall`."""


class Rejection:
    """The verdict that ends a call. One object may end many calls: the transport encodes its error once."""

    __slots__ = ("error",)

    def __init__(self, error: RpcError) -> None:
        self.error: Final = error
        """What the callers are told. It is shared, so that code which raises it has to copy it."""


class RequestHeaders(Protocol):
    """The headers of a request, of which nothing was made yet."""

    def priority(self, extra: Sequence[tuple[bytes, bytes]], /) -> tuple[Criticality, int, int]:
        """How important the call is: its criticality, the attempts before this one, and its cohort (0-127). `extra` are the fields in which
        the headers of this call differ from those of others."""
        ...


class PendingCall(Protocol):
    """A call that has arrived whole. Nothing was decoded for it, and no task made."""

    @property
    def over(self) -> bool:
        """Whether nobody waits for the call any more."""
        ...

    def begin(self) -> None:
        """Run the handler, in a task of its own."""
        ...

    async def run(self) -> None:
        """Run the handler in the task that calls this, which is the call's from then on. Never raises."""
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
        """Decide on a call that has arrived whole. After WAIT, and not before, `begin`, `run` or `reject` of `call` is to be called."""
        ...


@runtime_checkable
class RejectsEarly(Protocol):
    """A layer that decides early."""

    def early_rejection(self, method: MethodSpec[Any, Any], /) -> EarlyRejection | None:
        """The early rejection of `method`, asked for after `wrap`; None if it has none."""
        ...


def early_rejection_of(layers: Sequence[Layer], method: MethodSpec[Any, Any]) -> EarlyRejection | None:
    """The first early rejection that `layers` have for `method`."""
    for layer in layers:
        found = layer.early_rejection(method) if isinstance(layer, RejectsEarly) else None
        if found is not None:
            return found
    return None
