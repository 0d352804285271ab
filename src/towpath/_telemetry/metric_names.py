"""The metrics that towpath exports, each with its name, kind, labels and meaning. No metric is made of a name that is not here.

The names are those of the exposition without `_total`, which prometheus-client adds to counters. This module imports nothing, so that a
table of metrics is read without a metrics library.
"""

from typing import Final, Literal, NamedTuple


class MetricName(NamedTuple):
    """What is known of one metric before it has a sample."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    unit: str
    """The unit of its values."""
    help: str
    """Its HELP in the exposition: one sentence."""
    series: str
    """Which series there are, and from when on."""

    @property
    def exposed(self) -> str:
        """The name as the exposition has it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


CALL_LABELS: Final = ("rpc_system_name", "rpc_method", "rpc_status_code", "error_type", "service_peer_name", "tenant")
"""The labels of calls. The first five are attributes of OpenTelemetry's conventions, and the last one is towpath's own."""

SERVER_DURATION: Final = MetricName(
    "rpc_server_call_duration_seconds",
    "histogram",
    CALL_LABELS,
    "seconds",
    "Time from the start of the server's stack to its response or error.",
    "One for each method and status code that a call has ended with. `service_peer_name` and `tenant` are empty, unless "
    "`telemetry.metrics_by` asks for them.",
)
CLIENT_DURATION: Final = MetricName(
    "rpc_client_call_duration_seconds",
    "histogram",
    CALL_LABELS,
    "seconds",
    "Time from the start of the client's stack to the response or error, over all attempts.",
    "One for each target, method and status code that a call has ended with. `service_peer_name` is the target.",
)
DECISIONS: Final = MetricName(
    "towpath_decisions",
    "counter",
    ("rpc_method", "role", "reason", "shadow"),
    "decisions",
    "Decisions of the policies, by role and reason.",
    "One for each method, role and reason, from the first decision on. `rpc_method` is empty for a decision about a connection, and "
    "`shadow` is `true` for a decision without an effect.",
)
READY: Final = MetricName(
    "towpath_ready",
    "gauge",
    ("probe",),
    "1 or 0",
    "Whether what the service depends on is there.",
    "One for each probe of `App.ready`, and for each background work whose end made the service unready.",
)
BACKGROUND_DEATHS: Final = MetricName(
    "towpath_background_deaths",
    "counter",
    ("work",),
    "deaths",
    "How often background work ended before the service did.",
    "One for each name of `App.background`, from its start on.",
)
BACKGROUND_RESTARTS: Final = MetricName(
    "towpath_background_restarts",
    "counter",
    ("work",),
    "restarts",
    "How often background work was started anew after a failure.",
    'One for each name of `App.background` with `restart="on_failure"`, from its start on.',
)
WORKER_RESTARTS: Final = MetricName(
    "towpath_worker_restarts",
    "counter",
    ("worker",),
    "restarts",
    "How often another process took a worker's place.",
    "One for each worker of a service with several.",
)

SPANS_PROCESSED: Final = MetricName(
    "otel_sdk_processor_span_processed",
    "counter",
    ("error_type",),
    "spans",
    "Spans that were handed to the exporter, or dropped before.",
    "One with an empty `error_type` for spans that were handed on, and one for each reason to drop some: `queue_full`, `overwritten` for "
    "rows that were overwritten before they were read, `malformed` for callers' traces that are none, and `shutdown`.",
)
SPANS_EXPORTED: Final = MetricName(
    "otel_sdk_exporter_span_exported",
    "counter",
    ("error_type",),
    "spans",
    "Spans that the collector took, or did not take.",
    "One with an empty `error_type` for spans that it took, and one for each reason for which others are lost: `rejected`, a status of "
    "HTTP or gRPC, or `timeout`.",
)
SPANS_QUEUED: Final = MetricName(
    "otel_sdk_processor_span_queue_size", "gauge", (), "spans", "Spans that wait for their export.", "One of an exporter."
)
SPANS_QUEUED_MOST: Final = MetricName(
    "otel_sdk_processor_span_queue_capacity", "gauge", (), "spans", "Spans that may wait for their export.", "One of an exporter."
)
SPANS_IN_FLIGHT: Final = MetricName(
    "otel_sdk_exporter_span_inflight", "gauge", (), "spans", "Spans of the request that is under way.", "One of an exporter."
)

OF_EXPORTERS: Final = (SPANS_PROCESSED, SPANS_EXPORTED, SPANS_QUEUED, SPANS_QUEUED_MOST, SPANS_IN_FLIGHT)
"""The metrics of a process that exports spans."""
OVERFLOWS: Final = MetricName(
    "towpath_metrics_overflows",
    "counter",
    ("metric",),
    "calls",
    "Calls that were counted under _OTHER, since their metric has as many series as it may.",
    "One for each of the two histograms of calls.",
)
SERIES_ENDED: Final = MetricName(
    "towpath_metrics_series_ended",
    "counter",
    ("metric",),
    "series",
    "Series whose places were taken by those of callers with more calls.",
    "One for each of the two histograms of calls.",
)

METRICS: Final = (
    SERVER_DURATION,
    CLIENT_DURATION,
    DECISIONS,
    READY,
    BACKGROUND_DEATHS,
    BACKGROUND_RESTARTS,
    WORKER_RESTARTS,
    *OF_EXPORTERS,
    OVERFLOWS,
    SERIES_ENDED,
)
"""Every metric of towpath. A service adds its own to the same registry."""
