"""A client's default stack: the layers that stand before the transport, their order, and the method's values that each gets. `towpath
explain` prints the stack.

The order is outermost first. The context comes before all layers that read it. The metrics come before all layers that reject, so that
rejections are counted. The application's own layers stand between the two: a call that they answer is no call to the target, and one that
they make twice is two. Layers below `retry` run once per attempt, so that the throttle sees each attempt.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from towpath._app.methods import loaded_methods
from towpath._app.settings.fallback import source_of
from towpath._app.settings.method_names import with_full_names
from towpath._app.settings.resilience import DEFAULT, Resilience
from towpath._app.stack_state import client_readings
from towpath._contracts.policy import MethodConfig, MethodPolicy, resolve
from towpath._core import chance
from towpath._core.calls.asynchronous import StreamOpener
from towpath._core.context import Context
from towpath._core.decisions import BREAKER, Signal
from towpath._core.disclosure.marked_fields import marked_names
from towpath._core.disclosure.redaction import mark
from towpath._core.policies import HedgingPolicy, RetryPolicy
from towpath._core.service import Handler, Layer, MethodSpec, Req, Res, UnaryCall, compose, roles
from towpath._layers.context import BoundMethod, ClientContext, tell_where
from towpath._layers.deadline import Deadline
from towpath._layers.deprecation import Deprecation
from towpath._layers.endpoint_breaker import EndpointBreaker
from towpath._layers.fallback import Fallback, Source
from towpath._layers.hedge import Hedge
from towpath._layers.own_layers import OwnLayers
from towpath._layers.retry import Retry
from towpath._layers.retry_budget import RetryBudget
from towpath._layers.throttle import Throttle
from towpath._telemetry.flight_recorder.layers import RecordedFallback
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.gauges import Reading
from towpath._telemetry.logs import access_log
from towpath._telemetry.metrics import GRPC, CallMetrics

CLIENT_END: Final = "transport"
"""The end of the stack, as `towpath explain` prints it. It is no layer."""

_Call = TypeVar("_Call", bound=Callable[..., Any])


class ClientStack:
    """The layers between the calls to one target and its transport. The layers outlive a change of settings, with all that they have
    learned about the target.

    `methods` are the service file's entries. `signal` is told of each decision; by default it is the counter of `metrics`. `target` is the
    text that says what the channel calls, for errors and metrics, and `system` the RPC system of its protocol, for metrics. `recorder`
    records the calls.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        methods: Sequence[MethodConfig] = (),
        resilience: Resilience = DEFAULT,
        *,
        signal: Signal | None = None,
        target: str = "",
        system: str = GRPC,
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self._bound: MutableMapping[Callable[..., Any], tuple[MethodSpec[Any, Any], Callable[[], None]]] = WeakKeyDictionary()
        self._target = target
        self._as_written = methods
        self._methods = self._with_full_names(methods)
        self._signal = signal = metrics.decisions if signal is None else signal
        source = chance.generator()  # jitter; nothing here is a secret
        budget = self._budget = RetryBudget(resilience.budget)
        self.breakers: Collection[EndpointBreaker] | None = None
        """The breakers of the target's endpoints, for metrics; None if there are none."""
        self.throttle = throttle = Throttle(
            source=source, options=replace(resilience.throttle_options, shadow=resilience.throttle == "shadow"), signal=signal
        )
        """The layer that counts what the target rejects."""
        # A method has hedges or retries. Both are paid for from one budget.
        hedge = Hedge(policy_of=self._hedges, budget=budget, overloaded=throttle.rejecting, signal=signal)
        retry = Retry(policy_of=self._retries, budget=budget, source=source, signal=signal)
        self._throttles = resilience.throttle != "off"
        self._fallback = Fallback(source_of=self._source, signal=signal)
        layers = (
            metrics.client.of_target(target, system, partial(tell_where, target) if recorder is None else self._tell_and_record),
            Deadline("client", signal=signal),
            Deprecation("client"),
            hedge,
            retry,
        )
        self._layers: tuple[Layer, ...] = (*layers, throttle) if self._throttles else layers

    def fallback(self, sources: Mapping[str, Source]) -> Fallback:
        """The layer that answers failed calls from `sources`, by the method's full name, and for other methods as the service file says."""
        return Fallback(source_of=lambda method: sources.get(method.full_name) or self._source(method), signal=self._signal)

    def open(
        self, method: MethodSpec[Req, Res], transport: Handler, fallback: Fallback | None = None, own: Sequence[Layer] = ()
    ) -> UnaryCall[Req, Res]:
        """The whole stack of `method` around `transport`, with the values from service file and contract. `own` are the application's
        layers, around all others but the context. `fallback` (default: the service file's) stands directly inside the metrics, so that
        they count its answers. Raises SetupError for a value that `method` cannot have, such as a fallback of a streaming method."""
        self._methods = self._with_full_names(self._as_written, method)
        compose_anew = partial(self._composed, method, transport, fallback, own)
        return self._registered(method, compose_anew, self._client_context(method).open(method, compose_anew()))

    def open_stream(
        self, method: MethodSpec[Req, Res], transport: Handler, fallback: Fallback | None = None, own: Sequence[Layer] = ()
    ) -> StreamOpener[Req, Res]:
        """The whole stack of the streaming `method` around `transport`, composed as by `open`."""
        self._methods = self._with_full_names(self._as_written, method)
        compose_anew = partial(self._composed, method, transport, fallback, own)
        return self._registered(method, compose_anew, self._client_context(method).open_stream(method, compose_anew()))

    def readings(self) -> Iterable[Reading]:
        """What holds the calls back, as gauges."""
        return client_readings(self._target, self._budget, self.throttle if self._throttles else None, self.breakers)

    def check(self, methods: Sequence[MethodConfig]) -> None:
        """Check that every bound method can have the values that `methods` give it. Raises SetupError that names the entry."""
        methods = self._with_full_names(methods)
        for method, _ in list(self._bound.values()):
            fallback = resolve(method, methods).fallback
            if fallback.value is not None:
                source_of(method, fallback.value, fallback.source)

    def reload(self, methods: Sequence[MethodConfig]) -> None:
        """Apply `methods`, which `check` has accepted, to the calls of all clients that begin from now on."""
        self._as_written = methods
        self._methods = self._with_full_names(methods)
        for _, recompose in list(self._bound.values()):
            recompose()

    def roles(self, method: MethodSpec[Any, Any]) -> list[str]:
        """The roles that are in the stack of `method`, in order."""
        self._methods = self._with_full_names(self._as_written, method)
        return [ClientContext.role, *roles(self._all(self._fallback), method, _end)]

    def _with_full_names(self, methods: Sequence[MethodConfig], *bound: MethodSpec[Any, Any]) -> Sequence[MethodConfig]:
        """The entries with full names, as far as the contracts are known by now. A client may be imported after its channel was made."""
        if not methods:
            return ()
        known = (method for method, _ in list(self._bound.values()))
        return with_full_names(methods, [*loaded_methods(), *known, *bound])[0]

    def _policy(self, method: MethodSpec[Any, Any]) -> MethodPolicy:
        return resolve(method, self._methods)

    def _source(self, method: MethodSpec[Any, Any]) -> Source | None:
        fallback = self._policy(method).fallback
        return None if fallback.value is None else source_of(method, fallback.value, fallback.source)

    def _hedges(self, method: MethodSpec[Any, Any]) -> HedgingPolicy | None:
        return self._policy(method).hedge.value

    def _retries(self, method: MethodSpec[Any, Any]) -> RetryPolicy | None:
        """The retries of `method`; None if it has hedges instead, since another attempt is then under way when one is lost."""
        policy = self._policy(method)
        return None if policy.hedge.value is not None and policy.retry.value.max_attempts == 1 else policy.retry.value

    def _client_context(self, method: MethodSpec[Any, Any]) -> ClientContext:
        policy = self._policy(method)
        begun = None if self._recorder is None else self._recorder.begun
        return ClientContext(timeout=policy.timeout.value, criticality=policy.criticality.value, begun=begun)

    def _composed(self, method: MethodSpec[Any, Any], transport: Handler, fallback: Fallback | None, own: Sequence[Layer]) -> Handler:
        layers = self._all(fallback or self._fallback)
        return compose((OwnLayers(own, "client", self._target), *layers) if own else layers, method, transport)

    def _all(self, fallback: Fallback) -> tuple[Layer, ...]:
        metrics, *inner = self._layers
        recorded = () if self._recorder is None else (RecordedFallback(self._recorder, fallback),)
        return *access_log.layers_of("client"), metrics, *recorded, fallback, *inner

    def _tell_and_record(self, error: BaseException, ctx: Context) -> None:
        tell_where(self._target, error, ctx)
        if self._recorder is not None:
            self._recorder.call_ended(ctx, error)

    def _registered(self, method: MethodSpec[Any, Any], compose_anew: Callable[[], Handler], bound: BoundMethod[_Call]) -> _Call:
        mark(marked_names((method.request, method.response)))
        rebind = bound.replace  # the closure must not hold `bound`, whose `call` is the key of the weak dictionary

        def recompose() -> None:
            rebind(self._client_context(method), compose_anew())

        self._bound[bound.call] = method, recompose
        return bound.call


def client_roles(
    method: MethodSpec[Any, Any], metrics: CallMetrics, methods: Sequence[MethodConfig] = (), resilience: Resilience = DEFAULT
) -> list[str]:
    """The roles that are in the client's stack of `method`, in order, the breaker and the transport included."""
    breaker = [] if resilience.breaker == "off" else [BREAKER]
    return [*ClientStack(metrics, methods, resilience).roles(method), *breaker, CLIENT_END]


async def _end(request: Any, _: Context) -> Any:
    """The transport of a stack that is composed only to list its roles."""
    return request
