"""The `deadline` role: work whose deadline has passed is rejected before it starts, on either side.

Starting it would spend capacity on an answer that nobody waits for, which is how an overloaded service stays overloaded. The
deadline of work that has started is the transport's business: it keeps one timing wheel per loop (`towpath._core.deadline`), so
this layer needs no timer and no task, and costs one comparison.
"""

from collections.abc import Coroutine
from typing import Any, Final, Literal

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, rejection, unheard
from towpath._core.errors import Code, RpcError
from towpath._core.service import Handler, MethodSpec

ROLE: Final = "deadline"

EXPIRED: Final = "DEADLINE_EXPIRED_BEFORE_START"
"""The reason of a rejection; the ErrorInfo names the side, too."""

Side = Literal["server", "client"]


class Deadline:
    """Rejects expired calls with DEADLINE_EXCEEDED. The error names `side`, the side that rejected. `signal` is told of each rejection."""

    __slots__ = ("_side", "_signal")

    role = ROLE

    def __init__(self, side: Side, *, signal: Signal = unheard) -> None:
        self._side: Side = side
        self._signal = signal

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role, since a caller may set a deadline on any."""

        # A plain function: the common call costs no coroutine of its own, and a rejected call gets one that raises when awaited, as any
        # handler does.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            deadline = ctx.deadline
            if deadline is None or clock.now() < deadline:
                return following(request, ctx)
            return _raising(self._rejection(method, ctx, clock.now() - deadline))

        return handle

    def _rejection(self, method: MethodSpec[Any, Any], ctx: Context, late: float) -> RpcError:
        self._signal(Decision(method.full_name, ROLE, EXPIRED, False, ctx, True))
        where = "reached the handler" if self._side == "server" else "was sent"
        return rejection(
            Code.DEADLINE_EXCEEDED,
            method,
            role=ROLE,
            reason=EXPIRED,
            why=f"the deadline passed before the call {where}; it was not started",
            figures={"side": self._side, "late_ms": f"{late * 1000:.0f}"},
        )


async def _raising(error: RpcError) -> Any:
    raise error
