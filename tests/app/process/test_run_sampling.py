"""A process that `run` makes has the sampler of its service file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE, importable

PROGRAM = """
import towpath
from echo.v1.echo_towpath import EchoService
from towpath._core.propagation.trace import TraceContext

async def main(app):
    print(TraceContext.root("echo.v1.EchoService/Say").sampled, TraceContext.root("echo.v1.EchoService/Fail").sampled)

towpath.run(main)
"""


def run(folder: Path, table: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> subprocess.CompletedProcess[str]:
    importable(monkeypatch)
    (folder / "towpath.toml").write_text(table)
    (folder / "program.py").write_text(PROGRAM)
    environ = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    ("table", "variables", "sampled"),
    [
        ("", {}, "False False"),
        ("[telemetry]\nsampling = 1", {}, "True True"),
        ('[telemetry.sampling]\n"EchoService/Say" = 1', {}, "True False"),
        ("[telemetry]\nsampling = 1", {"OTEL_TRACES_SAMPLER": "always_off"}, "False False"),
    ],
)
def test_a_program_samples_as_its_settings_say(
    table: str, variables: dict[str, str], sampled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, table, monkeypatch, **variables).stdout.strip() == sampled


def test_a_name_that_means_no_method_ends_the_program_with_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run(tmp_path, '[telemetry.sampling]\n"EchoService/Sya" = 1', monkeypatch)
    assert ended.returncode == 2
    error = "telemetry.sampling: service echo.v1.EchoService has no method 'Sya'; did you mean 'Say'\n"
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.endswith(error)
