"""The client's golden path: a channel whose every method has the default stack.

`connect` is for programs and tests that have an address. A service asks its `App` for a channel by logical name, so that its code says
whom it calls and its configuration says where that is.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self

from prometheus_client import REGISTRY

from towpath._app.client_stack import ClientStack
from towpath._app.decision_callback import DecisionCallback, with_callback
from towpath._app.methods import configured_methods
from towpath._app.settings.resilience import DEFAULT, Resilience, guards_of
from towpath._app.settings.service_file import ServiceConfig
from towpath._contracts.policy import MethodConfig
from towpath._core import chance
from towpath._core.calls.asynchronous import StreamOpener
from towpath._core.service import MethodSpec, Req, Res, UnaryCall
from towpath._core.signals import Signal
from towpath._layers.fallback import Fallback, Source
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel as BareChannel
from towpath._transport import ChannelOptions
from towpath._transport.tls import ClientTls


class Channel:
    """The way to one target, connected when first used; hand it to generated clients. Safe to share among the tasks of one loop."""

    __slots__ = ("_bare", "_fallback", "_stack")

    def __init__(
        self,
        target: str,
        *,
        config: ServiceConfig,
        metrics: CallMetrics,
        tls: ClientTls | None,
        insecure: bool,
        options: ChannelOptions | None = None,
        resilience: Resilience = DEFAULT,
        signal: Signal | None = None,
    ) -> None:
        """`target` is `host:port`, `dns:///host:port`, `static:///a:1,b:2` or `unix:path`. `signal` is told of each decision, and is the
        metrics' own counter by default. Raises SetupError if the target is none of these, or needs TLS."""
        signal = metrics.decisions if signal is None else signal
        guards = guards_of(resilience.breaker, chance.generator(), signal)
        self._bare = BareChannel(target, tls=tls, insecure=insecure, options=options, guards=guards, signal=signal)
        self._stack = ClientStack(metrics, config.methods, resilience, signal=signal)
        self._fallback: Fallback | None = None

    def falling_back(self, sources: Mapping[MethodSpec[Any, Any], Source]) -> Self:
        """This way to the target for clients that take an answer which is good enough where the right one cannot be had: of each method, a
        value, or the last good answer to the same request (see `towpath._layers.fallback`). Connections, budget and all else are this
        channel's, which is what has to be closed."""
        derived = object.__new__(type(self))
        derived._bare, derived._stack = self._bare, self._stack
        derived._fallback = self._stack.fallback({method.full_name: source for method, source in sources.items()})
        return derived

    @property
    def target(self) -> str:
        """What it calls."""
        return self._bare.target

    def check(self, methods: Sequence[MethodConfig]) -> None:
        """Whether `reload` can be told `methods`. Raises SetupError that names the entry that a method in use cannot have."""
        self._stack.check(methods)

    def reload(self, methods: Sequence[MethodConfig]) -> None:
        """Have the service file's `methods` hold for calls that begin from now on, by the clients that there are already, too. Raises as
        `check` does, in the midst of it."""
        self._stack.reload(methods)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections; calls under way end with UNAVAILABLE."""
        await self._bare.close()

    def bind(self, method: MethodSpec[Req, Res]) -> UnaryCall[Req, Res]:
        """The callable for the unary `method` with its stack composed around the transport."""
        return self._stack.open(method, self._bare.handler(method), self._fallback)

    def bind_stream(self, method: MethodSpec[Req, Res]) -> StreamOpener[Req, Res]:
        """What begins a call of `method`, which streams; likewise."""
        return self._stack.open_stream(method, self._bare.handler(method), self._fallback)


def connect(
    target: str,
    *,
    config: ServiceConfig | None = None,
    metrics: CallMetrics | None = None,
    tls: ClientTls | None = None,
    insecure: bool = False,
    options: ChannelOptions | None = None,
    resilience: Resilience = DEFAULT,
    on_decision: DecisionCallback | None = None,
) -> Channel:
    """A channel to `target` with the default stack; close it, or use it with `async with`. Connects on the first call.

    A target is `host:port` (one endpoint), `dns:///host:port` (every address of the name), `static:///a:1,b:2` or `unix:path`; calls are
    spread over several endpoints as `options` say. `resilience` is what is done about one that is not well.

    Without `config` a method's values come from its contract and the defaults. Without `metrics` calls are counted in prometheus-client's
    own process-wide registry. `tls` says whom to trust; without it, and without that of `config`, the target has to be on this machine, or
    `insecure` has to say that plaintext is meant. Raises SetupError otherwise, and for a name in the `[[methodConfig]]` of `config` that no
    method has (see `towpath._app.methods`).

    `on_decision` is called with each `Decision` about a call: a retry, a hedge, one that the throttle rejected, and so on
    (`docs/howto/log-rejected-calls.md`). It must be a plain function, and quick.
    """
    settings = config or ServiceConfig()
    configured_methods(settings)
    metrics = metrics or _process_metrics()
    return Channel(
        target,
        config=settings,
        metrics=metrics,
        tls=tls or settings.client_tls,
        insecure=insecure or settings.insecure,
        options=options,
        resilience=resilience,
        signal=with_callback(metrics.decisions, on_decision),
    )


@cache
def _process_metrics() -> CallMetrics:
    # Made on first use and once: a registry refuses the same metric twice.
    return CallMetrics(REGISTRY)
