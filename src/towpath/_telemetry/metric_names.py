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
LOOP_BLOCKS: Final = MetricName(
    "towpath_loop_block_duration_seconds",
    "histogram",
    ("cause",),
    "seconds",
    "How long the event loop did not turn, each time that was longer than the limit.",
    "One for each cause that there was: `code`, `many`, `gc`, `gil`, `starved`, `throttled`, `stopped`, `unknown`.",
)
LEAKED_TASKS: Final = MetricName(
    "towpath_leaked_tasks",
    "counter",
    ("rpc_method",),
    "tasks",
    "Tasks that were still pending long after the call had ended which started them.",
    "One for each method of which a task was found.",
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

ADMISSION_IN_FLIGHT: Final = MetricName(
    "towpath_admission_in_flight",
    "gauge",
    ("rpc_method",),
    "calls",
    "Calls under way of methods that admission bounds.",
    "One for each method that has a limit.",
)
ADMISSION_LIMIT: Final = MetricName(
    "towpath_admission_limit",
    "gauge",
    ("rpc_method",),
    "calls",
    "Calls that may be under way while the event loop is late, as admission has learnt.",
    "One for each method that has a limit.",
)
ADMISSION_BINDS: Final = MetricName(
    "towpath_admission_limit_binds",
    "gauge",
    ("rpc_method",),
    "1 or 0",
    "Whether admission bounds the calls under way now, since the event loop is late.",
    "One for each method that has a limit.",
)
ADMISSION_QUEUE: Final = MetricName(
    "towpath_admission_queue_length",
    "gauge",
    ("rpc_method",),
    "calls",
    "Calls that wait to begin.",
    "One for each method that has a limit.",
)
ADMISSION_WAIT: Final = MetricName(
    "towpath_admission_oldest_wait_seconds",
    "gauge",
    ("rpc_method",),
    "seconds",
    "How long the first of the calls that wait to begin has waited.",
    "One for each method that has a limit. It is 0 while none waits.",
)
BULKHEAD_IN_FLIGHT: Final = MetricName(
    "towpath_bulkhead_in_flight",
    "gauge",
    ("bulkhead",),
    "calls",
    "Calls that have a place in a bulkhead.",
    "One for each group of methods with a bound in common, and for each method with one of its own.",
)
CLIENT_IN_FLIGHT: Final = MetricName(
    "towpath_client_in_flight",
    "gauge",
    ("service_peer_name",),
    "calls",
    "Calls to a target that are under way and may be tried again.",
    "One for each target that is called.",
)
RETRIES_IN_FLIGHT: Final = MetricName(
    "towpath_retries_in_flight",
    "gauge",
    ("service_peer_name",),
    "attempts",
    "Attempts under way that are not the first of their call.",
    "One for each target that is called.",
)
RETRY_BUDGET: Final = MetricName(
    "towpath_retry_budget_balance",
    "gauge",
    ("service_peer_name",),
    "retries",
    "Retries and hedges that the budget allows now.",
    "One for each target that is called.",
)
THROTTLE: Final = MetricName(
    "towpath_throttle_probability",
    "gauge",
    ("service_peer_name", "criticality"),
    "share",
    "The probability with which a call is rejected before it is sent, since the target rejects calls.",
    "One for each target that is called and each criticality, unless the throttle is off.",
)
BREAKERS: Final = MetricName(
    "towpath_breakers",
    "gauge",
    ("service_peer_name", "state"),
    "breakers",
    "Breakers by their state: of each method at each endpoint, and of the connections to each.",
    "One for each target with several endpoints and each state, unless breakers are off.",
)
LOOP_DELAY: Final = MetricName(
    "towpath_eventloop_delay_seconds",
    "histogram",
    (),
    "seconds",
    "How late the event loop came to a timer that was due four times a second.",
    "One, of a process that `towpath.run` runs.",
)
TASKS: Final = MetricName(
    "towpath_tasks",
    "gauge",
    (),
    "tasks",
    "Tasks of the event loop that have not ended.",
    "One, of a process that `towpath.run` runs.",
)
GC_PAUSE: Final = MetricName(
    "towpath_gc_pause_seconds",
    "histogram",
    ("generation",),
    "seconds",
    "How long each collection of garbage held up the process.",
    "One for each generation, of a process that `towpath.run` runs.",
)

STACK_STATE: Final = (
    ADMISSION_IN_FLIGHT,
    ADMISSION_LIMIT,
    ADMISSION_BINDS,
    ADMISSION_QUEUE,
    ADMISSION_WAIT,
    BULKHEAD_IN_FLIGHT,
    CLIENT_IN_FLIGHT,
    RETRIES_IN_FLIGHT,
    RETRY_BUDGET,
    THROTTLE,
    BREAKERS,
)
"""The gauges of the stack, which are read at each scrape."""

PROCESS: Final = (
    MetricName(
        "process_virtual_memory_bytes",
        "gauge",
        (),
        "bytes",
        "Virtual memory size in bytes.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "process_resident_memory_bytes",
        "gauge",
        (),
        "bytes",
        "Resident memory size in bytes.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "process_start_time_seconds",
        "gauge",
        (),
        "seconds",
        "Start time of the process since unix epoch in seconds.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "process_cpu_seconds",
        "counter",
        (),
        "seconds",
        "Total user and system CPU time spent in seconds.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "process_max_fds",
        "gauge",
        (),
        "descriptors",
        "Maximum number of open file descriptors.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "process_open_fds",
        "gauge",
        (),
        "descriptors",
        "Number of open file descriptors.",
        "One, of a process that `towpath.run` runs, on Linux.",
    ),
    MetricName(
        "python_gc_objects_collected",
        "counter",
        ("generation",),
        "objects",
        "Objects collected during gc",
        "One for each generation, of a process that `towpath.run` runs.",
    ),
    MetricName(
        "python_gc_objects_uncollectable",
        "counter",
        ("generation",),
        "objects",
        "Uncollectable objects found during GC",
        "One for each generation, of a process that `towpath.run` runs.",
    ),
    MetricName(
        "python_gc_collections",
        "counter",
        ("generation",),
        "collections",
        "Number of times this generation was collected",
        "One for each generation, of a process that `towpath.run` runs.",
    ),
)
"""What prometheus-client tells of the process, in its words."""

RUNTIME: Final = (LOOP_DELAY, TASKS, GC_PAUSE, *PROCESS)
"""The metrics of a process that `towpath.run` runs."""

METRICS: Final = (
    SERVER_DURATION,
    CLIENT_DURATION,
    DECISIONS,
    READY,
    BACKGROUND_DEATHS,
    BACKGROUND_RESTARTS,
    WORKER_RESTARTS,
    LOOP_BLOCKS,
    LEAKED_TASKS,
    *OF_EXPORTERS,
    OVERFLOWS,
    SERIES_ENDED,
    *STACK_STATE,
    *RUNTIME,
)
"""Every metric of towpath. A service adds its own to the same registry."""
