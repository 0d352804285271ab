"""`[telemetry]` as one object, with the options of each part, and the rows of it that `towpath config` prints."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from towpath._app.settings.telemetry.recorder import RecorderOptions, read_recorder
from towpath._app.settings.telemetry.table import TelemetryTable


@dataclass(frozen=True, kw_only=True)
class TelemetryConfig:
    """What a process tells of its calls: the options of each part of telemetry."""

    recorder: RecorderOptions = field(default_factory=RecorderOptions)


def telemetry_of(table: TelemetryTable, where: str) -> TelemetryConfig:
    """The options of all parts. Raises SetupError that names the place below `where`, such as "towpath.toml: telemetry"."""
    return TelemetryConfig(recorder=read_recorder(table, where))


def told(config: TelemetryConfig) -> Iterator[tuple[str, Any]]:
    """Each key of the table, and its value."""
    recorder = config.recorder
    yield "recorder", recorder.recorder
    yield "recorder_rows", recorder.rows
    yield "recorder_directory", "default" if recorder.directory is None else str(recorder.directory)
