"""The guide to middleware is run as a reader would: its files are written down, its service is started, and each layer is met by calls in
each protocol."""

import asyncio
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.type.date_pb2 import Date

from skyline.weather.v1.weather_pb2 import GetObservationRequest, GetObservationResponse, ListObservationsRequest, Observation
from skyline.weather.v1.weather_towpath import WeatherService, WeatherServiceClient
from tests.app.stage import PATIENCE, importable
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath._telemetry.metrics import CallMetrics
from towpath.settings import load
from towpath.transport import ChannelOptions

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "middleware.md"
FILES = dict(re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL))
PROTOCOLS = ["grpc", "connect", "grpc-web"]
KEY = CallOptions(timeout=PATIENCE, metadata=[("x-api-key", "k-1")])
TODAY = Date(year=2026, month=1, day=2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    importable(monkeypatch)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("client_layers", "server_layers", "weather"):
        sys.modules.pop(name, None)


@contextmanager
def running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The guide's service in a process of its own, and its address."""
    monkeypatch.setenv("TOWPATH_LISTEN", "127.0.0.1:0")
    with subprocess.Popen([sys.executable, "weather.py"], cwd=folder, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            assert process.stderr is not None
            yield next(line for line in process.stderr if " serves " in line).split()[-1], process
        finally:
            process.kill()


def log_line(process: subprocess.Popen[str]) -> dict[str, str]:
    """The next line of the audit log."""
    assert process.stderr is not None
    line = next(line for line in process.stderr if " audit: " in line)
    return json.JSONDecoder().raw_decode(line.partition(" audit: ")[2])[0]  # behind it the call is named


async def get(url: str, **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of an answer over REST."""

    def fetch() -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(fetch)


async def test_the_service_tags_audits_and_validates_in_each_protocol(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = "skyline.weather.v1.WeatherService/ListObservations"
    with running(folder, monkeypatch) as (address, process):
        for protocol in PROTOCOLS:
            async with connect(address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol)) as channel:
                client = WeatherServiceClient(channel)
                answer = await client.list_observations(ListObservationsRequest(parent="airports/JFK", date=TODAY), KEY)
                assert answer.observations[0].name == "airports/JFK/observations/acme"
                assert log_line(process).items() >= {"method": method, "tenant": "acme", "ended": "OK"}.items()

                with pytest.raises(RpcError, match="required and missing: parent, date") as refused:
                    await client.list_observations(ListObservationsRequest(), KEY)
                assert refused.value.code is Code.INVALID_ARGUMENT
                assert [violation.field for violation in refused.value.details[0].field_violations] == ["parent", "date"]
                assert log_line(process)["ended"] == "INVALID_ARGUMENT"

                with pytest.raises(RpcError, match="no such key") as unknown:
                    await client.list_observations(ListObservationsRequest(), CallOptions(timeout=PATIENCE))
                assert unknown.value.code is Code.UNAUTHENTICATED
        url = f"http://{address}/v1/airports/JFK/observations"
        status, body = await get(f"{url}?date.year=2026", **{"x-api-key": "k-1"})
        assert (status, body["observations"][0]["name"]) == (200, "airports/JFK/observations/acme")
        assert log_line(process)["ended"] == "OK"
        status, body = await get(url, **{"x-api-key": "k-1"})
        assert (status, body["detail"]) == (400, "required and missing: date")
        assert log_line(process)["ended"] == "INVALID_ARGUMENT"
        assert (await get(url))[0] == 401


class Guarded(WeatherService):
    """Takes the tokens that are in `good`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.good = {"t-1"}
        self.sent: list[str] = []

    async def get_observation(self, request: GetObservationRequest, ctx: Context) -> GetObservationResponse:
        token = str(ctx.metadata.get("authorization", ""))
        self.sent.append(token)
        if token.removeprefix("Bearer ") not in self.good:
            raise RpcError(Code.UNAUTHENTICATED, "this token is old")
        return GetObservationResponse(observation=Observation(name=request.name))

    async def list_observations(self, request: ListObservationsRequest, ctx: Context) -> Any:
        raise NotImplementedError


@asynccontextmanager
async def guarded() -> AsyncIterator[tuple[App, Guarded]]:
    service = Guarded()
    async with App() as app:
        app.add(service)
        await app.start("127.0.0.1", 0)
        yield app, service


async def observe(channel: Any, name: str = "airports/JFK/observations/1") -> str:
    response = await WeatherServiceClient(channel).get_observation(GetObservationRequest(name=name), CallOptions(timeout=PATIENCE))
    response.observation.name += " seen"  # a cache must not have it
    return response.observation.name


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_token_is_on_each_call_and_a_refused_one_is_renewed_once(protocol: Any, folder: Path) -> None:
    import client_layers  # pyright: ignore[reportMissingImports] # the guide's

    tokens = iter(["t-1", "t-2", "t-3"])

    async def fetch() -> str:
        return next(tokens)

    async with guarded() as (app, service):
        layers = [client_layers.BearerToken(fetch)]
        async with connect(app.address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol), layers=layers) as channel:
            await observe(channel)
            service.good = {"t-2"}
            await asyncio.gather(observe(channel), observe(channel))
            service.good = set()
            with pytest.raises(RpcError, match="this token is old"):
                await observe(channel)
    assert service.sent[0] == "Bearer t-1"
    assert service.sent.count("Bearer t-2") == 3  # each of two calls once, and the last one
    assert service.sent[-1] == "Bearer t-3"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_repeated_read_is_answered_from_the_cache(protocol: Any, folder: Path) -> None:
    import client_layers  # pyright: ignore[reportMissingImports] # the guide's

    async with guarded() as (app, service):
        service.good = {""}
        layers = [client_layers.Cache(max_age=PATIENCE, size=2)]
        async with connect(app.address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol), layers=layers) as channel:
            seen = [await observe(channel, name) for name in ("a/1", "a/1", "a/2", "a/3", "a/1")]
    assert seen == [f"{name} seen" for name in ("a/1", "a/1", "a/2", "a/3", "a/1")]
    assert len(service.sent) == 4  # the first was pushed out by then


async def test_the_service_file_names_the_layers_of_a_target(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with guarded() as (server, service), App(load(folder / "towpath.toml", {"TOWPATH_TARGET_WEATHER": server.address})) as app:
        channel = app.channel("weather")
        assert await observe(channel) == await observe(channel)
    assert service.sent == ["Bearer t-1"]  # the second answer is from the cache
