"""The page of the flight recorder: its settings are read, its program prints what was recorded, and its numbers are those of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE
from towpath._telemetry.flight_recorder import keeping, ring, ring_files
from towpath._telemetry.flight_recorder.row import NOT_REACHED, SIZE, Kind
from towpath._telemetry.runtime_folder import SHARED_MEMORY, VARIABLE
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "flight-recorder.md").read_text()
(TABLE,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_its_table_has_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(TABLE)
    options = load(tmp_path / "towpath.toml", {}).telemetry.recorder
    assert (options.recorder, options.rows, options.directory) == (True, ring.DEFAULT_ROWS, SHARED_MEMORY)


def test_its_program_prints_what_was_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    writer, lock = ring_files.open_writer("page", 1024)
    try:
        method = writer.intern("shop.Cart/Add")
        writer.write(Kind.SERVER, 14, 0, 0, 1.0, b"", 1, 2, method, 0, 0, 0, *(NOT_REACHED,) * 8, 0, 0)
        writer.keep(writer.number)
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=PATIENCE, check=True)
        assert lock is None or "page shop.Cart/Add 14   (kept)\n" in done.stdout
    finally:
        writer.close()


def test_its_numbers_are_those_of_the_code(tmp_path: Path) -> None:
    writer, _ = ring_files.open_writer("page", ring.DEFAULT_ROWS, tmp_path)
    assert f"{len(writer.buffer) / 2**20:.1f} MiB" in PAGE
    writer.close()
    assert f"a row has {SIZE} bytes" in PAGE.lower()
    assert f"One trace in {keeping.ONE_IN:,}" in PAGE
    assert f"{keeping.PER_SECOND:.0f} calls a second, {keeping.SHARE:.0%}".replace("%", " %") in PAGE
