"""The guide to layers is run as a reader would: its file is written down, and calls with and without a tenant are made."""

import asyncio
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from skyline.weather.v1.weather_pb2 import ListObservationsRequest
from skyline.weather.v1.weather_towpath import WeatherServiceClient
from tests.app.stage import PATIENCE, importable
from towpath import CallOptions, Code, RpcError
from towpath._core.decisions import reason_of
from towpath.transport import Channel

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "write-a-layer.md"
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))


def started(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "weather.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


async def test_the_layer_rejects_counts_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importable(monkeypatch)
    monkeypatch.setenv("TOWPATH_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("TOWPATH_ADMIN", "127.0.0.1:0")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with started(tmp_path) as process:
        try:
            assert process.stderr is not None
            assert process.stdout is not None
            admin = next(line for line in process.stderr if " probes " in line).split()[-1]
            address = next(line for line in process.stderr if " serves " in line).split()[-1]
            async with Channel(address) as channel:
                client = WeatherServiceClient(channel)
                with pytest.raises(RpcError) as refused:
                    await client.list_observations(ListObservationsRequest(), CallOptions(timeout=PATIENCE))
                await client.list_observations(ListObservationsRequest(), CallOptions(timeout=PATIENCE, tenant="acme"))
            said = process.stdout.readline()
            with await asyncio.to_thread(urllib.request.urlopen, f"http://{admin}/metrics", timeout=PATIENCE) as answer:
                metrics = answer.read().decode()
        finally:
            process.kill()
    method = "skyline.weather.v1.WeatherService/ListObservations"
    assert (refused.value.code, reason_of(refused.value)) == (Code.PERMISSION_DENIED, "NO_TENANT")
    assert said == f"rejected {method}: NO_TENANT by known_tenant\n"
    assert f'weather_calls_total{{rpc_method="{method}"}} 1.0' in metrics
