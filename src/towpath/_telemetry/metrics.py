"""The `metrics` role: rate, errors and duration (RED) of every call, as two Prometheus histograms.

Names and labels are those of OpenTelemetry's RPC conventions 1.45 (https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/) in
Prometheus spelling (docs/adr/0046): `rpc_server_call_duration_seconds` and `rpc_client_call_duration_seconds`, labelled with
`rpc_system_name`, `rpc_method` (`package.Service/Method`), `rpc_status_code` (`OK` or the name of gRPC's code), `error_type` and
`service_peer_name`. A histogram's count is the rate, and its count by code the errors. A client's peer is its target. A server's calls are
told apart by caller or tenant only where that is asked for, and then the number of series is capped.

The series of OK is looked up when the stack is composed, so that a call that succeeds pays only for one observation. The other series are
looked up when a call fails.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from towpath._core import clock
from towpath._core.calls.unstarted_calls import OnUnstarted
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.outcome import code_of_end
from towpath._core.service import Handler, MethodSpec
from towpath._telemetry.decisions import Decisions
from towpath._telemetry.gauges import StackState
from towpath._telemetry.histogram import DurationHistogram, Series
from towpath._telemetry.metric_names import CLIENT_DURATION, OVERFLOWS, SERIES_ENDED, SERVER_DURATION
from towpath._telemetry.series_cap import DEFAULT_CAP, OTHER

BUCKETS: Final = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds that scrapes see, three a decade from 0.1 ms to 10 s: a percentile read from them is off by a factor of 2.5 at
most. `towpath._telemetry.histogram.FINE` has the bounds inside."""

By = Literal["peer", "tenant"]
"""What a server's calls may be told apart by, beside method and code."""

GRPC: Final = "grpc"
"""The RPC system of a server's calls in each protocol: their methods and codes are gRPC's, whatever the caller speaks."""

_OPEN_LABELS: Final = 2
"""The labels at the end of `CALL_LABELS` whose values callers choose."""

_SERVERS_FAULTS: Final = frozenset(
    code.name for code in (Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS)
)
"""The codes that are a server's failures by the conventions. The other ones are answers to what a caller did."""

OnError = Callable[[BaseException, Context], None]
"""A function that is called with an error and the context of the call that it ends. It must be quick, and must not raise."""


class CallDurations:
    """The layer of one side. It observes how long each call took, under the status code of the call."""

    role = "metrics"

    def __init__(
        self,
        histogram: DurationHistogram,
        *,
        system: str = GRPC,
        peer: str = "",
        by: frozenset[By] = frozenset(),
        failures: frozenset[str] | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """`peer` is the other side of all calls, empty for that of a server. A server tells its calls apart `by` more than method and code.
        `failures` are the codes that have an `error_type`; None for all but OK."""
        self._histogram = histogram
        self._system = system
        self._peer = peer
        self._by = by
        self._failures = failures
        self._on_error = on_error

    def of_target(self, target: str, system: str, on_error: OnError) -> "CallDurations":
        """A layer that counts as this one the calls to `target` in the RPC system `system`, and calls `on_error` with each error that ends
        a call, before the caller gets it."""
        return CallDurations(self._histogram, system=system, peer=target, by=self._by, failures=self._failures, on_error=on_error)

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role."""
        if self._by:
            return self._wrapped_by_caller(method, following)
        name, failed, on_error = method.full_name, self._failed, self._on_error
        # INLINED: Series.observe, since the function call would cost as much again.
        ok = self._histogram.series(self._system, name, "OK", "", self._peer, "")
        counts, bounds = ok.counts, ok.bounds

        async def handle(request: Any, ctx: Context) -> Any:
            start = clock.now()
            try:
                response = await following(request, ctx)
            except BaseException as error:
                failed(name, error, ctx, clock.now() - start)
                if on_error is not None:
                    on_error(error, ctx)
                raise
            seconds = clock.now() - start
            counts[bisect_left(bounds, seconds)] += 1
            ok.total += seconds
            return response

        return handle

    def _wrapped_by_caller(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        name, system, failed, current = method.full_name, self._system, self._failed, self._histogram.cap.current
        by_peer, by_tenant = "peer" in self._by, "tenant" in self._by

        async def handle(request: Any, ctx: Context) -> Any:
            start = clock.now()
            try:
                response = await following(request, ctx)
            except BaseException as error:
                failed(name, error, ctx, clock.now() - start)
                raise
            values = (system, name, "OK", "", ctx.caller if by_peer else "", ctx.tenant if by_tenant else "")
            current(values).observe(clock.now() - start)
            return response

        return handle

    def _failed(self, method: str, error: BaseException, ctx: Context, seconds: float) -> None:
        code, error_type = _outcome(error, ctx)
        if self._failures is not None and code not in self._failures:
            error_type = ""
        peer, by = self._peer, self._by
        if by:
            peer = ctx.caller if "peer" in by else ""
        values = (self._system, method, code, error_type, peer, ctx.tenant if "tenant" in by else "")
        self._histogram.observe(values, seconds)

    def _ended_early(self, method: str, code: Code) -> Series:
        """The series of calls that end with `code` before this layer sees them."""
        failed = self._failures is None or code.name in self._failures
        return self._histogram.series(self._system, method, code.name, code.name if failed else "", self._peer, "")

    def rejections(self, method: MethodSpec[Any, Any]) -> Callable[[float], None]:
        """A function that counts a call of `method` which was rejected with RESOURCE_EXHAUSTED before this layer saw it."""
        name = method.full_name
        series: Series | None = None

        def count(seconds: float) -> None:
            nonlocal series
            if series is None:  # no series before its first call
                series = self._ended_early(name, Code.RESOURCE_EXHAUSTED)
            # INLINED: Series.observe, since an overloaded server counts thousands a second. Most of them took no time that was measured.
            if seconds:
                series.counts[bisect_left(series.bounds, seconds)] += 1
                series.total += seconds
            else:
                series.counts[0] += 1

        return count

    def on_unstarted(self, method: MethodSpec[Any, Any]) -> OnUnstarted:
        """A function that counts a call of `method` which ended before this layer saw it."""
        name = method.full_name
        return lambda code, seconds: self._ended_early(name, code).observe(seconds)

    def on_unknown(self) -> None:
        """Count a call of a method that the server does not have. Callers choose such names, so all of them are `_OTHER`."""
        self._ended_early(OTHER, Code.UNIMPLEMENTED).observe(0.0)


class _Overflows(Collector):
    """What the caps on series did."""

    def __init__(self, histograms: Iterable[DurationHistogram], registry: CollectorRegistry) -> None:
        self._histograms = tuple(histograms)
        registry.register(self)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The counters, by metric."""
        overflows = CounterMetricFamily(OVERFLOWS.name, OVERFLOWS.help, labels=OVERFLOWS.labels)
        ended = CounterMetricFamily(SERIES_ENDED.name, SERIES_ENDED.help, labels=SERIES_ENDED.labels)
        for histogram in self._histograms:
            overflows.add_metric((histogram.named.name,), histogram.cap.overflowed)
            ended.add_metric((histogram.named.name,), histogram.cap.ended)
        return [overflows, ended]


class CallMetrics:
    """The metrics of one registry.

    Calls are counted without a lock: use one instance from one event loop. `registry` defaults to a new one, so that several applications
    in one process, as in tests, are counted apart. A registry can hold only one `CallMetrics`. For a second one prometheus-client raises
    ValueError, which names the metric.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, by: Iterable[By] = (), max_series: int = DEFAULT_CAP) -> None:
        """A server's calls are told apart `by` method and code, and further by what is given. Neither histogram has more than `max_series`
        series; the calls of the rest are counted under `_OTHER`."""
        self.registry: Final = CollectorRegistry() if registry is None else registry
        """The registry of all metrics. A service adds its own to it."""
        self.decisions: Final = Decisions(self.registry)
        """The counter of decisions, which is the default signal of all other layers."""
        self.histograms: Final = tuple(
            DurationHistogram(named, bounds=BUCKETS, registry=self.registry, cap=max_series, open_labels=_OPEN_LABELS)
            for named in (SERVER_DURATION, CLIENT_DURATION)
        )
        """The two histograms, of the server's calls and the clients'."""
        self.server: Final = CallDurations(self.histograms[0], by=frozenset(by), failures=_SERVERS_FAULTS)
        """The layer of a server's stack."""
        self.client: Final = CallDurations(self.histograms[1])
        """The layer of a client's stack."""
        self.before_scrape: Final[list[Callable[[], Awaitable[None]]]] = []
        """Coroutine functions that are called before a scrape, to work out in a thread what would hold up the loop."""
        self.stack_state: Final = StackState(self.registry)
        """The gauges of limits, queues, budgets and breakers."""
        _Overflows(self.histograms, self.registry)


def _outcome(error: BaseException, ctx: Context) -> tuple[str, str]:
    """The status code of a call that ended with `error`, and what the conventions call the type of the error: the code, or the class of
    what a handler raised that has none. A caller that no longer listens gets neither."""
    name = code_of_end(error, expired=ctx.expired()).name
    cause = first_cause(error)
    has_code = isinstance(cause, (RpcError, asyncio.CancelledError, GeneratorExit))
    return name, name if has_code else type(cause).__qualname__
