"""The table as a whole."""

from pathlib import Path

import msgspec

from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._app.settings.telemetry.telemetry import TelemetryConfig, telemetry_of, told


def test_every_key_is_told_with_its_value() -> None:
    keys = [field.encode_name for field in msgspec.structs.fields(TelemetryTable)]
    assert [key for key, _ in told(TelemetryConfig())] == keys


def test_a_key_is_told_as_it_was_set() -> None:
    config = telemetry_of(TelemetryTable(recorder=False, recorder_rows=4096, recorder_directory="/var/tmp"), "file: telemetry", {})
    assert dict(told(config))["recorder_directory"] == str(Path("/var/tmp"))
    assert dict(told(config))["recorder"] is False
