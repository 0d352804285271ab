"""The `deadline` role: work whose deadline has passed is refused before it starts, on either side.

Starting it would spend capacity on an answer that nobody waits for, which is how an overloaded service stays overloaded. The
deadline of work that has started is the transport's business: it keeps one timing wheel per loop (`towpath.core.deadline`), so
this layer needs no timer and no task, and costs one comparison.
"""

from collections.abc import Coroutine
from typing import Any, Final, Literal

from google.rpc.error_details_pb2 import ErrorInfo

from towpath.core import clock
from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import Handler, MethodSpec

EXPIRED: Final = "DEADLINE_EXPIRED_BEFORE_START"
"""The reason of the ErrorInfo that a refusal carries, in the domain `towpath`; its metadata name the method and the side."""

Side = Literal["server", "client"]


class Deadline:
    """Refuses expired calls with DEADLINE_EXCEEDED; `side` says in the error where that happened."""

    __slots__ = ("_side",)

    role = "deadline"

    def __init__(self, side: Side) -> None:
        self._side: Side = side

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role, since a caller may set a deadline on any."""
        side: Side = self._side
        name = method.full_name

        # A plain function: the common call costs no coroutine of its own, and the refusal is one that raises when awaited, as any
        # handler does.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            deadline = ctx.deadline
            if deadline is None or clock.now() < deadline:
                return following(request, ctx)
            return _refuse(name, side, clock.now() - deadline)

        return handle


async def _refuse(method: str, side: Side, late: float) -> Any:
    where = "reached the handler" if side == "server" else "was sent"
    raise RpcError(
        Code.DEADLINE_EXCEEDED,
        f"{method}: the deadline passed {late * 1000:.0f} ms before the call {where}; it was not started",
        [ErrorInfo(reason=EXPIRED, domain="towpath", metadata={"method": method, "side": side})],
    )
