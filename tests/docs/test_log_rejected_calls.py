"""The guide to logging rejected calls is run as a reader would: its files are written down, and the log says what the guide says."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skyline.weather.v1.weather_pb2 import ListObservationsRequest
from skyline.weather.v1.weather_towpath import WeatherServiceClient
from tests.app.stage import PATIENCE, importable
from towpath import CallOptions, RpcError
from towpath._core.decisions import reason_of
from towpath.transport import Channel

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "log-rejected-calls.md"
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line.rstrip()
    pytest.fail(f"the process ended, and never said {text!r}")


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "weather.py"], cwd=folder, stderr=subprocess.PIPE, encoding="utf-8")
    with process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_rejected_call_is_logged_with_tenant_peer_and_request_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importable(monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with running(tmp_path) as process:
        async with Channel(line_with(process, " serves ").rpartition(" ")[2]) as channel:  # which tries nothing again
            client, options = WeatherServiceClient(channel), CallOptions(timeout=PATIENCE, tenant="acme")
            calls = (client.list_observations(ListObservationsRequest(), options) for _ in range(20))
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(end, RpcError) and reason_of(end) == "RATE_LIMIT" for end in ended)
        said = line_with(process, "weather.rejected")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    method = "skyline.weather.v1.WeatherService/ListObservations"
    rejected = rf"rejected {method}: RATE_LIMIT by quota, tenant acme, peer 127\.0\.0\.1:\d+, request id ([0-9a-f]{{32}})"
    assert re.search(rf"{rejected} \[{method} acme \1\]$", said)


def test_each_reason_of_the_limits_is_in_the_table() -> None:
    """The reasons of the connections and of the transport are written nowhere else for a reader."""
    from towpath._transport.server import call
    from towpath._transport.server.connections import buffer_budget, connection_limits, http2_connection

    reasons = [call.MESSAGE_TOO_LARGE, http2_connection.TOO_MANY_CALLS, buffer_budget.BUFFERS_FULL]
    names = ("TOO_MANY", "TOO_MANY_OF_PEER", "MADE_ROOM", "HEAD_TIMEOUT", "UNUSED_TIMEOUT", "IDLE_TIMEOUT", "KEEPALIVE_TIMEOUT", "MAX_AGE")
    names += ("FLOOD",)
    reasons += [getattr(connection_limits, name) for name in names]
    assert [reason for reason in reasons if f"`{reason}`" not in GUIDE.read_text()] == []
