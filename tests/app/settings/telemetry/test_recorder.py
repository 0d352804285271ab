"""The keys of the flight recorder."""

from pathlib import Path

import pytest

from towpath._app.settings.telemetry.recorder import RecorderOptions
from towpath._core.errors import SetupError
from towpath.settings import load


def read(folder: Path, text: str) -> RecorderOptions:
    (folder / "towpath.toml").write_text(f"[telemetry]\n{text}")
    return load(folder / "towpath.toml", {}).telemetry.recorder


def test_without_keys_all_has_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == RecorderOptions() == load(None, {}).telemetry.recorder


def test_each_key_is_read(tmp_path: Path) -> None:
    text = "recorder = false\nrecorder_rows = 2048\nrecorder_directory = '/tmp'"
    assert read(tmp_path, text) == RecorderOptions(recorder=False, rows=2048, directory=Path("/tmp"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("recorder_rows = 3000", "telemetry.recorder_rows: 3000 is no power of two; give 2048 or 4096"),
        ("recorder_rows = 1023", "telemetry.recorder_rows: 1023 is out of range; give 1024 to 16777216"),
        ("recorder_rows = 0", "telemetry.recorder_rows: 0 is out of range; give 1024 to 16777216"),
        ("recorder = 'yes'", "telemetry.recorder: expected `bool`, got `str`"),
        ("recorders = true", "unknown key telemetry.recorders; did you mean 'recorder'"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/towpath.toml: {error}"
