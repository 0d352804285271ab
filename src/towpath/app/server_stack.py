"""A server's default stack: which layers stand before every handler, in which order. `towpath explain` prints what is composed here.

Outermost first: the context comes before everything that reads it; metrics count what the layers below them refuse, too.
"""

from collections.abc import Sequence
from typing import Any, Final

from towpath.app.config import AdmissionMode
from towpath.core import chance
from towpath.core.context import Context
from towpath.core.service import Layer, MethodSpec, roles
from towpath.layers.admission import Admission
from towpath.layers.context import ServerContext
from towpath.layers.deadline import Deadline
from towpath.layers.idempotency import Idempotency
from towpath.layers.idempotency_store import IdempotencyStore
from towpath.layers.limit import DEFAULT_LIMIT, LimitOptions
from towpath.telemetry.metrics import CallMetrics

SERVER_END: Final = "handler"
"""What stands at the end of the stack and is no layer."""

_STANDARD: Final = "grpc."
"""How the names of the standard services begin: health and reflection."""


def server_layers(
    metrics: CallMetrics,
    admission: AdmissionMode = "on",
    own: Sequence[Layer] = (),
    store: IdempotencyStore | None = None,
) -> tuple[Layer, ...]:
    """What stands before every handler, outermost first; made once per server, because its methods share a loop. `own` are an
    application's, rate limits and bulkheads among them; `store` is where the answers of calls with an idempotency key are kept."""
    always = (ServerContext(), metrics.server, Deadline("server"))
    once = () if store is None else (Idempotency(store, signal=metrics.decisions),)
    if admission == "off":
        return (*always, *own, *once)
    shedding = Admission(
        limit_of=_limit_of,
        shadow=admission == "shadow",
        signal=metrics.decisions,
        rng=chance.generator(),
        unseen=metrics.server.refusals,
    )
    return (*always, shedding, *own, *once)


def server_roles(
    method: MethodSpec[Any, Any], metrics: CallMetrics, admission: AdmissionMode = "on", store: IdempotencyStore | None = None
) -> list[str]:
    """The roles really in the server's stack of `method`, in order, but for an application's own."""
    return [*roles(server_layers(metrics, admission, store=store), method, _end), SERVER_END]


def _limit_of(method: MethodSpec[Any, Any]) -> LimitOptions | None:
    # Whether a server is well, and what it serves, is asked most when there is trouble.
    return None if method.service.startswith(_STANDARD) else DEFAULT_LIMIT


async def _end(request: Any, _: Context) -> Any:
    """Stands in for the handler in a stack that is composed to be looked at."""
    return request
