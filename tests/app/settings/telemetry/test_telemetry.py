"""The table as a whole."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._app.settings.telemetry.telemetry import TelemetryConfig, telemetry_of, told


def keys(table: type[msgspec.Struct]) -> Iterator[str]:
    """The keys of a table, those of tables within it behind its own."""
    for field in msgspec.structs.fields(table):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from (f"{field.encode_name}.{key}" for key in keys(field.type))
        else:
            yield field.encode_name


def test_every_key_is_told_with_its_value() -> None:
    assert [key for key, _ in told(TelemetryConfig())] == list(keys(TelemetryTable))


def test_a_key_is_told_as_it_was_set() -> None:
    config = telemetry_of(TelemetryTable(recorder=False, recorder_rows=4096, recorder_directory="/var/tmp"), "file: telemetry", {})
    assert dict(told(config))["recorder_directory"] == str(Path("/var/tmp"))
    assert dict(told(config))["recorder"] is False
