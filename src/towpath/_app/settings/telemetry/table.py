"""The table `[telemetry]`, as the file has it. Each part of telemetry reads its own keys."""

import msgspec

from towpath._app.settings.telemetry.logs import LogsTable


class TelemetryTable(msgspec.Struct, frozen=True, kw_only=True):
    """All keys, the parts one after the other. None stands for a key's default, which is that of its option."""

    recorder: bool | None = None
    recorder_rows: int | None = None
    recorder_directory: str | None = None
    loop_monitor: bool | None = None
    loop_block_limit: str | None = None
    leaked_task_after: str | None = None
    debug_documents: str | None = None
    metrics_by: tuple[str, ...] = ()
    metrics_series: int | None = None
    sampling: float | dict[str, float] | None = None
    otlp_endpoint: str | None = None
    otlp_protocol: str | None = None
    otlp_headers: dict[str, str] | None = None
    otlp_compression: str | None = None
    otlp_certificate: str | None = None
    otlp_kept: bool | None = None
    otlp_timeout: str | None = None
    otlp_queue: int | None = None
    otlp_batch: int | None = None
    otlp_delay: str | None = None
    resource: dict[str, str] | None = None
    opentelemetry: bool | None = None
    logs: LogsTable = LogsTable()
    """The log of the process, and which calls have a line in it."""
