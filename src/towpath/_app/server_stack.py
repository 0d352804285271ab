"""A server's default stack: which layers stand before every handler, in which order. `towpath explain` prints what is composed here.

Outermost first: the context comes before everything that reads it; metrics count what the layers below them refuse, too. What protects the
server from everybody comes before what shares it out among tenants: a server in trouble should look nothing up for those it refuses.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from towpath._app.settings.quotas_and_bulkheads import NamedBulkhead, NamedQuota, by_method
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import chance
from towpath._core.context import Context
from towpath._core.service import Layer, MethodSpec, roles
from towpath._core.signals import Signal
from towpath._layers.admission.adaptive_limit import DEFAULT_LIMIT, LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.bulkhead import Bulkhead, Compartment
from towpath._layers.context import ServerContext
from towpath._layers.deadline import Deadline
from towpath._layers.idempotency.idempotency import Idempotency
from towpath._layers.idempotency.store import IdempotencyStore
from towpath._layers.quota import Quota, RateLimit, RateStore
from towpath._telemetry.metrics import CallMetrics

SERVER_END: Final = "handler"
"""What stands at the end of the stack and is no layer."""

_STANDARD: Final = "grpc."
"""How the names of the standard services begin: health and reflection."""


class ServerStack:
    """The layers of one server, whose methods share a loop. Their objects outlive a change of settings, and what they have learned with
    them: limits, buckets, places taken.

    `own` are an application's. `store` is where the answers of calls with an idempotency key are kept, None for nowhere; `rates` who counts
    for quotas, None for this process itself. `signal` is told of each decision, and is the metrics' own counter by default.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        own: Sequence[Layer] = (),
        store: IdempotencyStore | None = None,
        rates: RateStore | None = None,
        signal: Signal | None = None,
    ) -> None:
        signal = metrics.decisions if signal is None else signal
        self._quotas: dict[str, NamedQuota] = {}
        self._bulkheads: dict[str, NamedBulkhead] = {}
        self._outer = (ServerContext(), metrics.server, Deadline("server", signal=signal))
        self._admission = Admission(limit_of=_limit_of, signal=signal, rng=chance.generator(), on_rejected=metrics.server.refusals)
        limits = (
            RateLimit(quota_of=self._quota_of, store=rates, signal=signal),
            Bulkhead(compartment_of=self._compartment_of, signal=signal),
        )
        once = () if store is None else (Idempotency(store, signal=signal),)
        self._inner = (*limits, *own, *once)

    def layers(self, settings: ServiceConfig, methods: Iterable[MethodSpec[Any, Any]]) -> tuple[Layer, ...]:
        """What stands before every handler as `settings` have it, outermost first, to be composed at once. `methods` are those that a
        service file may speak of. Raises SetupError, and then nothing has changed."""
        known = list(methods)
        quotas, bulkheads = by_method(settings.quotas, known), by_method(settings.bulkheads, known)
        self._quotas, self._bulkheads = quotas, bulkheads
        self._admission.shadow = settings.admission == "shadow"
        admission = () if settings.admission == "off" else (self._admission,)
        return (*self._outer, *admission, *self._inner)

    def _quota_of(self, method: MethodSpec[Any, Any]) -> Quota | None:
        entry = self._quotas.get(method.full_name)
        return None if entry is None else entry.quota

    def _compartment_of(self, method: MethodSpec[Any, Any]) -> Compartment | None:
        entry = self._bulkheads.get(method.full_name)
        return None if entry is None else entry.compartment


def server_roles(
    method: MethodSpec[Any, Any], methods: Iterable[MethodSpec[Any, Any]], settings: ServiceConfig, store: IdempotencyStore | None
) -> list[str]:
    """The roles really in the server's stack of `method`, one of `methods`, in order, but for an application's own."""
    return [*roles(ServerStack(CallMetrics(), store=store).layers(settings, methods), method, _end), SERVER_END]


def _limit_of(method: MethodSpec[Any, Any]) -> LimitOptions | None:
    # Whether a server is well, and what it serves, is asked most when there is trouble.
    return None if method.service.startswith(_STANDARD) else DEFAULT_LIMIT


async def _end(request: Any, _: Context) -> Any:
    """Stands in for the handler in a stack that is composed to be looked at."""
    return request
