"""The flight recorder's keys of `[telemetry]`.

[telemetry]
recorder = true                      # whether each call and attempt leaves a row in a ring that other processes can read
recorder_rows = 32768                # rows of the ring, 128 bytes each; a power of two
recorder_directory = "/dev/shm"      # where the ring's file is made, in a folder of the user's own
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from towpath._app.settings.option_tables import Keys, Number, options
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.ring import DEFAULT_ROWS

RECORDER: Final[Keys] = {"recorder_rows": Number("rows", 1024, 1 << 24)}
"""The keys that have a range."""


@dataclass(frozen=True, kw_only=True)
class RecorderOptions:
    """What the flight recorder of a process keeps, and where."""

    recorder: bool = True
    """Whether each call and attempt leaves a row in a ring that other processes can read."""
    rows: int = DEFAULT_ROWS
    """Rows of the ring, a power of two. A row has 128 bytes, and a new one takes the place of the oldest."""
    directory: Path | None = None
    """The folder in which the ring's file is made, in a folder of the user's own; without it `/dev/shm`, and where there is none the
    folder for temporary files."""


def read_recorder(table: TelemetryTable, where: str) -> RecorderOptions:
    """The recorder's options. Raises SetupError that names the place below `where`."""
    rows = options(RecorderOptions, table, RECORDER, where).rows
    if rows & (rows - 1):
        below = 1 << rows.bit_length() - 1
        raise SetupError(f"{where}.recorder_rows: {rows} is no power of two; give {below} or {below * 2}")
    return RecorderOptions(
        recorder=table.recorder is not False,
        rows=rows,
        directory=Path(table.recorder_directory) if table.recorder_directory else None,
    )
