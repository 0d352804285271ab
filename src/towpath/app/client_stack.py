"""A client's default stack: which layers stand before the transport, in which order, and with which of the method's values. `towpath
explain` prints what is composed here.

Outermost first: the context comes before everything that reads it; metrics count what the layers below them refuse, too. What stands below
`retry` runs once per attempt, so that the throttle hears of each of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from towpath.app.resilience import DEFAULT, Resilience
from towpath.contracts.policy import MethodConfig, resolve
from towpath.core import chance
from towpath.core.calls import StreamOpener
from towpath.core.context import Context
from towpath.core.service import Handler, Layer, MethodSpec, Req, Res, UnaryCall, compose, roles
from towpath.core.signals import Signal
from towpath.layers.budget import RetryBudget
from towpath.layers.context import ClientContext
from towpath.layers.deadline import Deadline
from towpath.layers.fallback import Fallback, Source
from towpath.layers.hedge import Hedge
from towpath.layers.retry import Retry
from towpath.layers.throttle import Throttle, ThrottleOptions
from towpath.telemetry.metrics import CallMetrics

CLIENT_END: Final = "transport"
"""What stands at the end of the stack and is no layer."""


def client_layers(metrics: CallMetrics, methods: Sequence[MethodConfig] = (), resilience: Resilience = DEFAULT) -> tuple[Layer, ...]:
    """What stands between client and transport, outermost first, inside of `ClientContext`; made once per channel, because its methods
    share what is known of the target. `methods` are the service file's."""
    source = chance.generator()  # jitter; nothing here is a secret
    signal = metrics.decisions
    budget = RetryBudget(resilience.budget)
    throttle = Throttle(source=source, options=ThrottleOptions(shadow=resilience.throttle == "shadow"), signal=signal)
    # A method has hedges or retries, and pays for either from the same budget.
    hedge = Hedge(policy_of=lambda method: resolve(method, methods).hedge.value, budget=budget, overloaded=throttle.refusing, signal=signal)
    retry = Retry(policy_of=lambda method: resolve(method, methods).retry.value, budget=budget, source=source, signal=signal)
    layers = (metrics.client, Deadline("client"), hedge, retry)
    return layers if resilience.throttle == "off" else (*layers, throttle)


def falling_back(layers: Sequence[Layer], sources: Mapping[str, Source], signal: Signal) -> tuple[Layer, ...]:
    """The same stack with answers that are good enough, by method: inside the metrics, which count what a caller gets, and around the
    rest."""
    return (layers[0], Fallback(sources=sources, signal=signal), *layers[1:])


def open_client(
    method: MethodSpec[Req, Res], transport: Handler, layers: Sequence[Layer], methods: Sequence[MethodConfig]
) -> UnaryCall[Req, Res]:
    """The whole client stack of `method` around `transport`, with what `methods` (the service file) and the contract say of it."""
    return _door(method, methods).open(method, compose(layers, method, transport))


def open_client_stream(
    method: MethodSpec[Req, Res], transport: Handler, layers: Sequence[Layer], methods: Sequence[MethodConfig]
) -> StreamOpener[Req, Res]:
    """Likewise for a method that streams."""
    return _door(method, methods).open_stream(method, compose(layers, method, transport))


def _door(method: MethodSpec[Any, Any], methods: Sequence[MethodConfig]) -> ClientContext:
    policy = resolve(method, methods)
    return ClientContext(timeout=policy.timeout.value, criticality=policy.criticality.value)


def client_roles(
    method: MethodSpec[Any, Any], metrics: CallMetrics, methods: Sequence[MethodConfig] = (), resilience: Resilience = DEFAULT
) -> list[str]:
    """The roles really in the client's stack of `method`, in order."""
    breaker = [] if resilience.breaker == "off" else ["breaker"]
    return [ClientContext.role, *roles(client_layers(metrics, methods, resilience), method, _end), *breaker, CLIENT_END]


async def _end(request: Any, _: Context) -> Any:
    """Stands in for the transport in a stack that is composed to be looked at."""
    return request
