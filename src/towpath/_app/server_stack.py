"""A server's default stack: the layers that stand before every handler, and their order. `towpath explain` prints the stack.

The order is outermost first. The context comes before all layers that read it. The metrics come before all layers that reject, so that
rejections are counted. Admission protects the server from all callers together, and comes before quotas and bulkheads, which divide it
among tenants: an overloaded server should not look up a quota for a call that it rejects.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from towpath._app.settings.quotas_and_bulkheads import NamedBulkhead, NamedQuota, by_method
from towpath._app.settings.server_options import AdmissionOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.stack_state import server_readings
from towpath._core import chance
from towpath._core.context import Context
from towpath._core.decisions import Signal
from towpath._core.errors import Code
from towpath._core.service import Layer, MethodSpec, roles
from towpath._layers.admission.adaptive_limit import DEFAULT_LIMIT, LimitOptions
from towpath._layers.admission.admission import Admission
from towpath._layers.bulkhead import Bulkhead, Compartment
from towpath._layers.context import ServerContext
from towpath._layers.deadline import Deadline
from towpath._layers.deprecation import Deprecation
from towpath._layers.idempotency.idempotency import Idempotency
from towpath._layers.idempotency.store import IdempotencyStore
from towpath._layers.own_layers import OwnLayers
from towpath._layers.quota import Quota, RateLimit, RateStore
from towpath._telemetry.flight_recorder.layers import RecordedServer
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.gauges import Reading
from towpath._telemetry.logs import access_log
from towpath._telemetry.metrics import CallMetrics

SERVER_END: Final = "handler"
"""The end of the stack, as `towpath explain` prints it. It is no layer."""

_STANDARD: Final = "grpc."
"""The prefix of the standard services' names: health and reflection."""


class ServerStack:
    """The layers of one server, whose methods share a loop. The layers outlive a change of settings, with all that they have learned:
    limits, buckets, calls under way. Only other limits of admission begin to learn anew.

    `own` are the application's layers. `store` keeps the answers of calls with an idempotency key; None keeps none, and keys are required
    all the same where a contract does so. `rates` counts the calls for quotas; None counts them in this process. `signal` is told of each
    decision; by default it is the counter of `metrics`. `recorder` records the calls.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        own: Sequence[Layer] = (),
        store: IdempotencyStore | None = None,
        rates: RateStore | None = None,
        signal: Signal | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        signal = metrics.decisions if signal is None else signal
        self._recorded = () if recorder is None else (RecordedServer(recorder, self._may_wait),)
        self._keeps = store is not None
        self._quotas: dict[str, NamedQuota] = {}
        self._bulkheads: dict[str, NamedBulkhead] = {}
        self._metrics = metrics
        self._observing = (metrics.server, Deadline("server", signal=signal))
        self._deprecation = Deprecation("server")
        self._admission_options = AdmissionOptions()
        self._new_admission = partial(Admission, signal=signal, rng=chance.generator(), on_rejected=self._rejections)
        self._admission = self._new_admission(limit_of=_limits(DEFAULT_LIMIT))
        self._admits = False
        self._bulkhead = Bulkhead(compartment_of=self._compartment_of, signal=signal)
        self._limits = (RateLimit(quota_of=self._quota_of, store=rates, signal=signal), self._bulkhead)
        self._own = tuple(own)
        self._idempotency = Idempotency(store, signal=signal)
        metrics.stack_state.watch(self)

    def readings(self) -> Iterable[Reading]:
        """The server's limits, as gauges."""
        return server_readings(self._admission if self._admits else None, self._bulkhead)

    def add_own(self, layers: Sequence[Layer]) -> None:
        """Put further layers of the application's inside those that there are. They stand in what `layers` returns from then on."""
        self._own = (*self._own, *layers)

    def layers(self, settings: ServiceConfig, methods: Iterable[MethodSpec[Any, Any]]) -> tuple[Layer, ...]:
        """The layers that `settings` ask for, outermost first. They must be composed at once, since the quotas and bulkheads hold from now
        on. `methods` are the methods that a service file may name. If this raises SetupError nothing has changed."""
        known = list(methods)
        quotas, bulkheads = by_method(settings.quotas, known), by_method(settings.bulkheads, known)
        self._quotas, self._bulkheads = quotas, bulkheads
        if settings.admission_options != self._admission_options:
            # Calls that wait already are chosen by the limits under which they came, until none of them is left.
            options = self._admission_options = settings.admission_options
            self._admission = self._new_admission(limit_of=_limits(options.limit), queue=options.queue)
        self._admission.shadow = settings.admission == "shadow"
        self._admits = settings.admission != "off"
        admission = () if settings.admission == "off" else (self._admission,)
        deprecation = (self._deprecation,) if settings.deprecation_warnings else ()
        own = (OwnLayers(self._own, "server"),) if self._own else ()
        return (
            ServerContext(),
            *access_log.layers_of("server"),
            *self._observing,
            *admission,
            *deprecation,
            *self._limits,
            *own,
            self._idempotency,
            *self._recorded,
        )

    def _may_wait(self, method: MethodSpec[Any, Any]) -> bool:
        """Whether layers between admission and the handler of `method` may wait."""
        keyed = self._keeps and method.idempotency_key is not None
        return bool(self._own) or keyed or self._quota_of(method) is not None or self._compartment_of(method) is not None

    def _rejections(self, method: MethodSpec[Any, Any]) -> Callable[[float], None]:
        """A function that is told of a call of `method` which was rejected before it was read: the metrics count it, and the access log may
        have a line for it."""
        count = self._metrics.server.rejections(method)
        layers = access_log.layers_of("server")
        if not layers:
            return count
        tell = layers[0].on_unstarted(method)

        def rejected(seconds: float) -> None:
            count(seconds)
            tell(Code.RESOURCE_EXHAUSTED, seconds)

        return rejected

    def _quota_of(self, method: MethodSpec[Any, Any]) -> Quota | None:
        entry = self._quotas.get(method.full_name)
        return None if entry is None else entry.quota

    def _compartment_of(self, method: MethodSpec[Any, Any]) -> Compartment | None:
        entry = self._bulkheads.get(method.full_name)
        return None if entry is None else entry.compartment


def server_roles(
    method: MethodSpec[Any, Any], methods: Iterable[MethodSpec[Any, Any]], settings: ServiceConfig, store: IdempotencyStore | None
) -> list[str]:
    """The roles that are in the server's stack of `method`, in order. `methods` are all methods of the server. An application's own layers
    are left out."""
    return [*roles(ServerStack(CallMetrics(), store=store).layers(settings, methods), method, _end), SERVER_END]


def _limits(limit: LimitOptions) -> Callable[[MethodSpec[Any, Any]], LimitOptions | None]:
    # Health and reflection must answer when the server is overloaded: that is when they are asked most.
    return lambda method: None if method.service.startswith(_STANDARD) else limit


async def _end(request: Any, _: Context) -> Any:
    """The handler of a stack that is composed only to list its roles."""
    return request
