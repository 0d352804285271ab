"""The table `[telemetry]`, as the file has it. Each part of telemetry reads its own keys."""

import msgspec


class TelemetryTable(msgspec.Struct, frozen=True, kw_only=True):
    """All keys, the parts one after the other. None stands for a key's default, which is that of its option."""

    recorder: bool | None = None
    recorder_rows: int | None = None
    recorder_directory: str | None = None
    sampling: float | dict[str, float] | None = None
