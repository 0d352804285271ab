"""The `metrics` role: rate, errors and duration (RED) of every call, as two Prometheus histograms.

Names and labels are those of OpenTelemetry's RPC conventions (https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/) in Prometheus
spelling: `rpc_server_call_duration_seconds` and `rpc_client_call_duration_seconds`, labelled with `rpc_method` (`package.Service/Method`)
and `rpc_response_status_code` (`OK` or the name of gRPC's code). A histogram's count is the rate, and its count by code the errors. No
label depends on tenant, peer or request, so the number of series is bounded by methods x codes.

The series of OK is looked up when the stack is composed, so that a call that succeeds pays only for one observation. The other series are
looked up when a call fails.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest

from towpath._core import clock
from towpath._core.calls.unstarted_calls import OnUnstarted
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, SetupError, first_cause
from towpath._core.service import Handler, MethodSpec
from towpath._telemetry.decisions import Decisions
from towpath._telemetry.histogram import DurationHistogram, Series
from towpath._telemetry.metric_names import CLIENT_DURATION, SERVER_DURATION

BUCKETS: Final = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds in seconds, three a decade from 0.1 ms to 10 s: a percentile read from them is off by a factor of 2.5 at most."""


OnError = Callable[[BaseException, Context], None]
"""A function that is called with an error and the context of the call that it ends. It must be quick, and must not raise."""


class _Durations:
    """The layer of one side. It observes how long each call took, under the status code of the call."""

    role = "metrics"

    def __init__(self, histogram: DurationHistogram, on_error: OnError | None = None) -> None:
        self._histogram = histogram
        self._on_error = on_error

    def telling(self, on_error: OnError) -> "_Durations":
        """A layer that counts as this one, and calls `on_error` with each error that ends a call, before the caller gets it."""
        return _Durations(self._histogram, on_error)

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role."""
        name = method.full_name
        histogram, on_error = self._histogram, self._on_error
        # INLINED: Series.observe, since the function call would cost as much again.
        ok = histogram.series(name, "OK")
        counts, bounds = ok.counts, ok.bounds

        async def handle(request: Any, ctx: Context) -> Any:
            start = clock.now()
            try:
                response = await following(request, ctx)
            except BaseException as error:
                histogram.series(name, _outcome(error, ctx)).observe(clock.now() - start)
                if on_error is not None:
                    on_error(error, ctx)
                raise
            seconds = clock.now() - start
            counts[bisect_left(bounds, seconds)] += 1
            ok.total += seconds
            return response

        return handle

    def rejections(self, method: MethodSpec[Any, Any]) -> Callable[[float], None]:
        """A function that counts a call of `method` which was rejected with RESOURCE_EXHAUSTED before this layer saw it."""
        name, histogram = method.full_name, self._histogram
        series: Series | None = None

        def count(seconds: float) -> None:
            nonlocal series
            if series is None:  # no series before its first call
                series = histogram.series(name, Code.RESOURCE_EXHAUSTED.name)
            # INLINED: Series.observe, since an overloaded server counts thousands a second. Most of them took no time that was measured.
            if seconds:
                series.counts[bisect_left(series.bounds, seconds)] += 1
                series.total += seconds
            else:
                series.counts[0] += 1

        return count

    def on_unstarted(self, method: MethodSpec[Any, Any]) -> OnUnstarted:
        """A function that counts a call of `method` which ended before this layer saw it."""
        name, histogram = method.full_name, self._histogram
        return lambda code, seconds: histogram.series(name, code.name).observe(seconds)


class CallMetrics:
    """The metrics of one registry.

    Calls are counted without a lock: use one instance from one event loop. `registry` defaults to a new one, so that several applications
    in one process, as in tests, are counted apart. A registry can hold only one `CallMetrics`. For a second one prometheus-client raises
    ValueError, which names the metric.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry: Final = CollectorRegistry() if registry is None else registry
        """The registry of all metrics. A service adds its own to it."""
        self.decisions: Final = Decisions(self.registry)
        """The counter of decisions, which is the default signal of all other layers."""
        self.server: Final = _Durations(
            DurationHistogram(SERVER_DURATION.name, SERVER_DURATION.help, SERVER_DURATION.labels, bounds=BUCKETS, registry=self.registry)
        )
        """The layer of a server's stack."""
        self.client: Final = _Durations(
            DurationHistogram(CLIENT_DURATION.name, CLIENT_DURATION.help, CLIENT_DURATION.labels, bounds=BUCKETS, registry=self.registry)
        )
        """The layer of a client's stack."""


def write_exposition(registry: CollectorRegistry, path: Path) -> None:
    """Write all metrics of `registry` to `path` in Prometheus' text format. The file is replaced at once: a reader never sees half of it.

    Raises SetupError when the file cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(generate_latest(registry))
        partial.replace(path)
    except OSError as error:
        raise SetupError(f"metrics could not be written to {path}: {error.strerror}; name a writable file") from error


def _outcome(error: BaseException, ctx: Context) -> str:
    """The status code of a call that ended with `error`. A caller that no longer listens does not get it."""
    error = first_cause(error)
    if isinstance(error, RpcError):
        code = getattr(error, "code", None)  # a handler's subclass of RpcError may have lost it
        return code.name if isinstance(code, Code) else Code.INTERNAL.name
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        # The transport cancels a handler both when its deadline passes and when its caller goes away.
        return Code.DEADLINE_EXCEEDED.name if ctx.expired() else Code.CANCELLED.name
    return Code.INTERNAL.name
