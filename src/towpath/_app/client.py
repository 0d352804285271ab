"""The client's golden path: a channel whose every method has the default stack.

`connect` is for programs and tests that have an address. A service asks its `App` for a channel by logical name, so that its code names the
service that it calls, and its configuration gives the address.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Self
from weakref import WeakSet

from prometheus_client import REGISTRY

from towpath._app.client_stack import ClientStack
from towpath._app.decision_callback import DecisionCallback, with_callback
from towpath._app.methods import configured_methods
from towpath._app.settings.resilience import DEFAULT, Resilience, guards_of
from towpath._app.settings.server.messages import entry_for
from towpath._app.settings.server_options import with_header_limit
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.targets import NO_OTHER_LIMITS, ChannelLimits
from towpath._contracts.policy import MethodConfig
from towpath._core import chance
from towpath._core.calls.asynchronous import StreamOpener
from towpath._core.decisions import Signal
from towpath._core.service import Handler, Layer, MethodSpec, Req, Res, UnaryCall
from towpath._layers.endpoint_breaker import EndpointBreaker
from towpath._layers.fallback import Fallback, Source
from towpath._layers.own_layers import checked_layers
from towpath._telemetry.flight_recorder import process_recorder
from towpath._telemetry.metrics import GRPC, CallMetrics
from towpath._transport import Channel as BareChannel
from towpath._transport import ChannelOptions
from towpath._transport.tls import ClientTls

_SYSTEMS: Final = {"connect": "connectrpc"}
"""What OpenTelemetry calls the RPC system of a channel's protocol, where it is not gRPC."""


class Channel:
    """A channel to one target, with the default stack. Generated clients take it. It connects on the first call, and the tasks of one loop
    may share it. Once that loop is closed, or in a forked process, it connects anew in the loop that uses it next. A call in a second loop
    beside an open one raises RuntimeError."""

    __slots__ = ("_bare", "_fallback", "_layers", "_messages", "_stack")

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
        limits: ChannelLimits = NO_OTHER_LIMITS,
        signal: Signal | None = None,
        layers: Sequence[Layer] = (),
    ) -> None:
        """`target` is `host:port`, `dns:///host:port`, `static:///a:1,b:2` or `unix:path`. `signal` is told of each decision; by default it
        is the counter of `metrics`. `layers` are the application's own. Raises SetupError if the target has another form, or needs TLS, and
        for a layer that is none."""
        self._layers = checked_layers(layers, "layers")
        signal = metrics.decisions if signal is None else signal
        breakers = WeakSet[EndpointBreaker]()
        guards = guards_of(resilience, chance.generator(), signal, breakers)
        self._bare = BareChannel(
            target,
            tls=tls,
            insecure=insecure,
            options=options,
            limits=with_header_limit(limits.http2, limits.header_limit),
            message_limit=limits.message_limit,
            compression=limits.compression,
            guards=guards,
            signal=signal,
        )
        self._messages = limits.methods
        recorder = process_recorder.of_process()
        if recorder is not None:
            self._bare.pool.record(recorder)
        system = _SYSTEMS.get(options.protocol, GRPC) if options else GRPC
        self._stack = ClientStack(metrics, config.methods, resilience, signal=signal, target=target, system=system, recorder=recorder)
        self._stack.breakers = None if guards is None else breakers
        metrics.stack_state.watch(self._stack)
        self._bare.pool.on_connected = self._stack.throttle.forget
        self._fallback: Fallback | None = None

    def falling_back(self, sources: Mapping[MethodSpec[Any, Any], Source]) -> Self:
        """A channel to the same target whose calls, when they fail, are answered from `sources`: with a value, or with the last good answer
        to the same request (see `towpath._layers.fallback`). The new channel uses this one's connections, retry budget and all else, so
        only this one has to be closed."""
        derived = object.__new__(type(self))
        derived._bare, derived._stack, derived._messages = self._bare, self._stack, self._messages
        derived._fallback = self._stack.fallback({method.full_name: source for method, source in sources.items()})
        derived._layers = self._layers
        return derived

    def with_layers(self, layers: Sequence[Layer]) -> Self:
        """A channel to the same target with `layers` around its calls, the first of them outermost, outside the layers that this one has
        (`docs/howto/middleware.md`). The new channel uses this one's connections, retry budget and all else, so only this one has to be
        closed. Raises SetupError for a layer that is none."""
        derived = object.__new__(type(self))
        derived._bare, derived._stack, derived._fallback, derived._messages = self._bare, self._stack, self._fallback, self._messages
        derived._layers = (*checked_layers(layers, "layers"), *self._layers)
        return derived

    @property
    def target(self) -> str:
        """The text that says what the channel calls."""
        return self._bare.target

    def check(self, methods: Sequence[MethodConfig]) -> None:
        """Check that `reload` can be given `methods`. Raises SetupError that names the entry which a method in use cannot have."""
        self._stack.check(methods)

    def reload(self, methods: Sequence[MethodConfig]) -> None:
        """Apply the service file's `methods` to calls that begin from now on, those of existing clients included. Raises SetupError for an
        entry that `check` would reject; then some methods have new values, and others do not."""
        self._stack.reload(methods)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Calls under way end with UNAVAILABLE."""
        await self._bare.close()

    def bind(self, method: MethodSpec[Req, Res]) -> UnaryCall[Req, Res]:
        """The callable for the unary `method` with its stack composed around the transport."""
        return self._stack.open(method, self._innermost(method), self._fallback, self._layers)

    def bind_stream(self, method: MethodSpec[Req, Res]) -> StreamOpener[Req, Res]:
        """The callable that begins a call of the streaming `method`, with its stack composed around the transport."""
        return self._stack.open_stream(method, self._innermost(method), self._fallback, self._layers)

    def _innermost(self, method: MethodSpec[Any, Any]) -> Handler:
        entry = entry_for(method, self._messages)
        return self._bare.handler(method, None if entry is None else entry.options)


def connect(
    target: str,
    *,
    config: ServiceConfig | None = None,
    metrics: CallMetrics | None = None,
    tls: ClientTls | None = None,
    insecure: bool = False,
    options: ChannelOptions | None = None,
    resilience: Resilience = DEFAULT,
    limits: ChannelLimits = NO_OTHER_LIMITS,
    on_decision: DecisionCallback | None = None,
    layers: Sequence[Layer] = (),
) -> Channel:
    """A channel to `target` with the default stack. It connects on the first call. Close it, or use it with `async with`.

    A target is `host:port` (one endpoint), `dns:///host:port` (every address of the name), `static:///a:1,b:2` or `unix:path`. `options`
    say how calls are spread over several endpoints. `resilience` sets the breaker, the throttle and the retry budget. `limits` are those of
    responses, and the compression of requests.

    Without `config` a method's values come from its contract and the defaults. Without `metrics` calls are counted in prometheus-client's
    own process-wide registry. `tls` names the authorities to trust. Without TLS, from `tls` or from `config`, the target has to be on this
    machine, unless `insecure` says that plaintext is meant. Raises SetupError otherwise, and for a name in the `[[methodConfig]]` of
    `config` that no method has (see `towpath._app.methods`).

    `on_decision` is called with each `Decision` about a call, such as a retry, a hedge or a rejection by the throttle
    (`docs/howto/log-rejected-calls.md`). It must be a plain function, and quick.

    `layers` are the application's own, the first of them outermost. They stand around the default stack, and so around all attempts at a
    call (`docs/howto/middleware.md`). Raises SetupError for a layer that is none.
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
        limits=limits,
        signal=with_callback(metrics.decisions, on_decision),
        layers=layers,
    )


@cache
def _process_metrics() -> CallMetrics:
    # Made once, on first use: a registry refuses a second metric of the same name.
    return CallMetrics(REGISTRY)
