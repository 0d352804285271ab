"""`[telemetry]` as one object, with the options of each part, and the rows of it that `towpath config` prints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from towpath._app.settings.telemetry import otlp
from towpath._app.settings.telemetry.logs import LogsOptions, read_logs, told_logs
from towpath._app.settings.telemetry.loop import LoopOptions, read_loop
from towpath._app.settings.telemetry.metrics import MetricsOptions, read_metrics
from towpath._app.settings.telemetry.otlp import OtlpOptions, read_otlp
from towpath._app.settings.telemetry.recorder import RecorderOptions, read_recorder
from towpath._app.settings.telemetry.sampling import SamplingOptions, read_sampling, told_sampling
from towpath._app.settings.telemetry.table import TelemetryTable


@dataclass(frozen=True, kw_only=True)
class TelemetryConfig:
    """What a process tells of its calls: the options of each part of telemetry."""

    recorder: RecorderOptions = field(default_factory=RecorderOptions)
    """What the flight recorder keeps, and where."""
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    """Which traces are sampled of those that begin here."""
    otlp: OtlpOptions = field(default_factory=OtlpOptions)
    """Where spans go."""
    metrics: MetricsOptions = field(default_factory=MetricsOptions)
    """What metrics tell calls apart by."""
    loop: LoopOptions = field(default_factory=LoopOptions)
    """What is reported of the event loop and its tasks."""
    logs: LogsOptions = field(default_factory=LogsOptions)
    """How records are logged, and which calls have lines."""


def telemetry_of(table: TelemetryTable, where: str, environ: Mapping[str, str]) -> TelemetryConfig:
    """The options of all parts. Raises SetupError that names the place below `where`, such as "towpath.toml: telemetry", or the variable of
    `environ`."""
    return TelemetryConfig(
        recorder=read_recorder(table, where),
        sampling=read_sampling(table, where, environ),
        otlp=read_otlp(table, where, environ),
        metrics=read_metrics(table, where),
        loop=read_loop(table, where),
        logs=read_logs(table.logs, f"{where}.logs", environ),
    )


def told(config: TelemetryConfig) -> Iterator[tuple[str, Any]]:
    """Each key of the table, and its value."""
    recorder = config.recorder
    yield "recorder", recorder.recorder
    yield "recorder_rows", recorder.rows
    yield "recorder_directory", "default" if recorder.directory is None else str(recorder.directory)
    loop = config.loop
    yield "loop_monitor", loop.monitor
    yield "loop_block_limit", f"{loop.block_limit:.12g}s"
    yield "leaked_task_after", "off" if loop.leaked_task_after is None else f"{loop.leaked_task_after:.12g}s"
    yield "debug_documents", loop.debug_documents
    yield "metrics_by", list(config.metrics.by)
    yield "metrics_series", config.metrics.series
    yield "sampling", told_sampling(config.sampling)
    yield from otlp.told(config.otlp)
    yield from told_logs(config.logs).items()
