"""The guide to logs is run as a reader would: its services log what it says, and no secret."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT
from towpath.settings import load

PAGE = (ROOT / "docs" / "howto" / "logs.md").read_text()
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+\.(?:py|toml))\n(.*?)```", PAGE, re.DOTALL))
TABLES = re.findall(r"```toml\n# towpath\.toml\n(.*?)```", PAGE, re.DOTALL)
RECORD = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]
MARKED = re.findall(r"```proto\n(.*?)```", PAGE, re.DOTALL)[0]
CONTRACT = """syntax = "proto3";
package greeter.v1;
message GreetRequest {
  string name = 1;
}
message GreetResponse {
  string greeting = 1;
}
service GreeterService {
  rpc Greet(GreetRequest) returns (GreetResponse);
}
"""
CALLER = """
import asyncio, sys
from greeter.v1.greeter_pb2 import GreetRequest
from greeter.v1.greeter_towpath import GreeterServiceClient
from towpath import CallOptions, connect

async def main():
    async with connect(sys.argv[1]) as channel:
        await GreeterServiceClient(channel).greet(GreetRequest(name="Ada"), CallOptions(timeout=120, tenant="acme"))

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    proto = tmp_path / "proto" / "greeter" / "v1" / "greeter.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(CONTRACT)
    subprocess.run([sys.executable, "-m", "towpath", "gen", "proto", "--out", "."], cwd=tmp_path, check=True, timeout=120, stdout=-3)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def line_of(process: subprocess.Popen[str], logger: str, beginning: str) -> dict[str, Any]:
    assert process.stderr is not None
    for line in process.stderr:
        told: dict[str, Any] = json.loads(line)
        if told["logger"] == logger and told["message"].startswith(beginning):
            return told
    pytest.fail(f"the service ended, and {logger} never said {beginning!r}")


def test_the_service_of_the_guide_logs_what_the_guide_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOWPATH_LOG_FORMAT")
    (folder / "greeter.toml").write_text(FILES["greeter.toml"] + "[telemetry.logs.access]\nrate = 1\n")
    with subprocess.Popen([sys.executable, "serve.py"], cwd=folder, stderr=-1, encoding="utf-8") as process:
        try:
            address = line_of(process, "towpath.app", "greeter serves")["message"].split()[-1]
            subprocess.run([sys.executable, "-c", CALLER, address], cwd=folder, check=True, timeout=120)
            told = line_of(process, "greeter", "greeting")
            expected = json.loads(RECORD)
            assert list(told) == [name for name in told if name in expected]
            assert set(told) == set(expected)
            same = ("severity", "logger", "message", "service", "method", "tenant", "language")
            assert {name: told[name] for name in same} == {name: expected[name] for name in same}
            line = line_of(process, "towpath.access", "GreeterService/Greet OK")
            assert line["trace_id"] == told["trace_id"]
            assert set(line) >= {"side", "code", "duration_ms", "queued_ms", "peer"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
        finally:
            process.kill()


def test_the_settings_are_settings(tmp_path: Path) -> None:
    for text in TABLES:
        (tmp_path / "towpath.toml").write_text(text)
        assert load(tmp_path / "towpath.toml", {}).telemetry.logs


def test_a_program_with_a_log_of_its_own_has_the_calls_fields(tmp_path: Path) -> None:
    (tmp_path / "own_log.py").write_text(FILES["own_log.py"])
    done = subprocess.run([sys.executable, "own_log.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "INFO starting method= trace=\n"
    told = json.loads((tmp_path / "greeter.log").read_text())
    assert (told["message"], told["service"], "method" in told) == ("starting", "greeter", False)


def test_a_marked_field_is_marked(tmp_path: Path) -> None:
    (tmp_path / "pay.proto").write_text(f'syntax = "proto3";\npackage pay.v1;\n{MARKED}')
    subprocess.run([sys.executable, "-m", "towpath", "gen", ".", "--out", "."], cwd=tmp_path, check=True, timeout=120, stdout=-3)
    program = """
import pay_pb2
from towpath._core.disclosure.marked_fields import marked_names
print(sorted(marked_names([pay_pb2.PayRequest])))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "['cardNumber', 'card_number']\n"
