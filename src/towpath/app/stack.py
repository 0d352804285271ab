"""The default stacks: which layers stand in a call's way, in which order, and with which of the method's values.

One place for both, because `towpath explain` must print what runs. Outermost first: the context comes before everything that reads it;
metrics count what the layers below them refuse, too. On the client what stands below `retry` runs once per attempt, so that the throttle
hears of each of them.
"""

from collections.abc import Sequence
from typing import Any, Final

from towpath.app.config import AdmissionMode
from towpath.contracts.policy import MethodConfig, resolve
from towpath.core import chance
from towpath.core.calls import StreamOpener
from towpath.core.context import Context
from towpath.core.service import Handler, Layer, MethodSpec, Req, Res, UnaryCall, compose, roles
from towpath.layers.admission import Admission
from towpath.layers.budget import RetryBudget
from towpath.layers.context import ClientContext, ServerContext
from towpath.layers.deadline import Deadline
from towpath.layers.limit import DEFAULT_LIMIT, LimitOptions
from towpath.layers.retry import Retry
from towpath.layers.throttle import Throttle
from towpath.telemetry.metrics import CallMetrics

_STANDARD: Final = "grpc."
"""How the names of the standard services begin: health and reflection."""

SERVER_END: Final = "handler"
CLIENT_END: Final = "transport"
"""What stands at the end of each stack and is no layer."""


def server_layers(metrics: CallMetrics, admission: AdmissionMode = "off") -> tuple[Layer, ...]:
    """What stands before every handler, outermost first; made once per server, because its methods share a loop."""
    always = (ServerContext(), metrics.server, Deadline("server"))
    if admission == "off":
        return always
    return (*always, Admission(limit_of=_limit_of, shadow=admission == "shadow", signal=metrics.decisions, rng=chance.generator()))


def _limit_of(method: MethodSpec[Any, Any]) -> LimitOptions | None:
    # Whether a server is well, and what it serves, is asked most when there is trouble.
    return None if method.service.startswith(_STANDARD) else DEFAULT_LIMIT


def client_layers(metrics: CallMetrics, methods: Sequence[MethodConfig] = ()) -> tuple[Layer, ...]:
    """What stands between client and transport, outermost first, inside of `ClientContext`; made once per channel, because its methods
    share what is known of the target. `methods` are the service file's."""
    source = chance.generator()  # jitter; nothing here is a secret
    return (
        metrics.client,
        Deadline("client"),
        Retry(policy_of=lambda method: resolve(method, methods).retry.value, budget=RetryBudget(), source=source, signal=metrics.decisions),
        Throttle(source=source, signal=metrics.decisions),
    )


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


def server_roles(method: MethodSpec[Any, Any], metrics: CallMetrics, admission: AdmissionMode = "off") -> list[str]:
    """The roles really in the server's stack of `method`, in order."""
    return [*roles(server_layers(metrics, admission), method, _end), SERVER_END]


def client_roles(method: MethodSpec[Any, Any], metrics: CallMetrics, methods: Sequence[MethodConfig] = ()) -> list[str]:
    """The roles really in the client's stack of `method`, in order."""
    return [ClientContext.role, *roles(client_layers(metrics, methods), method, _end), CLIENT_END]


async def _end(request: Any, _: Context) -> Any:
    """Stands in for the end of a stack that is composed to be looked at."""
    return request
