"""A service file that is read anew while calls are under way: what holds from then on, what stays, and what a broken one changes."""

import asyncio
import dataclasses
import os
import pty
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import FAIL, SAY, EchoServiceClient

from tests.app.process.test_run import actor, serving
from tests.app.process.test_workers import crew, team, until
from tests.app.stage import PATIENCE, Watched, importable
from tests.echo_service import FOREVER, Echo
from towpath import App, CallOptions, Code, RpcError, connect
from towpath._app.reloading import NEEDS_RESTART, TAKEN_OVER, reread
from towpath._app.settings.server_options import ServerOptions
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._core.decisions import reason_of
from towpath._core.errors import SetupError
from towpath._layers.fallback import LastAnswer
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel

NEVER = "per_second = 0.001\nburst = 1"


@pytest.fixture
def read(tmp_path):
    def reading(text: str) -> ServiceConfig:
        path = tmp_path / "towpath.toml"
        path.write_text(text)
        return load(path, {})

    return reading


def test_every_setting_is_taken_over_or_needs_a_restart_or_belongs_to_no_file():
    known = {*TAKEN_OVER, *(name.partition(".")[0] for name in NEEDS_RESTART)}
    others = {"contracts", "declares", "own_class", "source", "listen_fd", "notify_fd", "metrics_dump", "worker"}
    where = {"listen_where", "idempotency_where", "quota_store_where"}
    assert {field.name for field in dataclasses.fields(ServiceConfig)} == known | others | where
    by_the_process = {f"telemetry.{part}" for part in ("logs", "loop", "metrics", "otlp", "sampling")}
    for whole, options in (("server", ServerOptions), ("telemetry", TelemetryConfig)):
        parts = {name for name in {*NEEDS_RESTART, *by_the_process} if name.startswith(f"{whole}.")}
        assert {f"{whole}.{field.name}" for field in dataclasses.fields(options)} == parts


async def test_quotas_come_change_and_go_without_the_buckets_being_filled(read):
    quota = f'[quotas.a]\nmethods = ["EchoService/Say"]\n{NEVER}'
    async with App(read(quota)) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest())
            app.reload(read(quota))
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest())
            assert reason_of(caught.value) == "RATE_LIMIT"
            app.reload(read(""))
            await client.say(pb.SayRequest())
            app.reload(read(quota))
            with pytest.raises(RpcError):
                await client.say(pb.SayRequest())
            app.reload(read(quota.replace("0.001", "1000")))
            await client.say(pb.SayRequest())


async def test_calls_under_way_count_towards_a_bulkhead_that_came_later(read):
    bulkhead = '[bulkheads.slow]\nmethods = ["EchoService"]\nmax_concurrent = {}'
    echo = Echo()
    async with App(read(bulkhead.format(2))) as app:
        app.add(echo)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            held = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=60))) for _ in range(2)]
            await echo.until(lambda: echo.seen["sleep"] == 2)
            app.reload(read(bulkhead.format(1)))
            with pytest.raises(RpcError, match="1 calls of slow"):
                await client.say(pb.SayRequest())
            app.reload(read(bulkhead.format(3)))
            await client.say(pb.SayRequest())
            echo.release.set()
            await asyncio.gather(*held)


@pytest.mark.parametrize("modes", [("on", "shadow", "off", "on"), ("off", "on", "off"), ("shadow", "on")])
async def test_admission_changes_its_mode_while_a_flood_comes_and_no_call_is_left_waiting(read, modes):
    async with App(read(f'[service]\nadmission = "{modes[0]}"')) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with Channel(app.address) as channel:  # without a throttle of its own
            client = EchoServiceClient(channel)
            once = CallOptions(timeout=PATIENCE)
            for mode in modes:
                calls = [asyncio.create_task(client.say(pb.SayRequest(), once)) for _ in range(300)]
                await asyncio.sleep(0)
                app.reload(read(f'[service]\nadmission = "{mode}"'))
                ended = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(one) for one in ended} <= {pb.SayResponse, RpcError}
                assert {one.code for one in ended if isinstance(one, RpcError)} <= {Code.RESOURCE_EXHAUSTED}
                await client.say(pb.SayRequest(), once)
            assert app.config.admission == modes[-1]


TARGETS = '[targets]\necho = "{address}"\n'
IMPATIENT = '[[methodConfig]]\nname = [{ service = "echo.v1.EchoService" }]\ntimeout = "0.05s"\nretryPolicy = { maxAttempts = 1 }\n'


async def test_clients_that_were_made_before_have_the_new_timeouts_and_attempts(read):
    echo = Echo()
    async with App() as server:
        server.add(echo)
        await server.start("127.0.0.1", 0)
        targets = TARGETS.format(address=server.address)
        async with App(read(targets)) as app:
            client = EchoServiceClient(app.channel("echo"))
            await client.say(pb.SayRequest())
            under_way = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=60)))
            await echo.until(lambda: echo.seen["sleep"] == 1)
            app.reload(read(targets + IMPATIENT))
            with pytest.raises(RpcError) as caught:
                await client.sleep(pb.SleepRequest(seconds=FOREVER))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            before = echo.seen["fail"]
            patient = CallOptions(timeout=PATIENCE, idempotency_key="k")
            with pytest.raises(RpcError):
                await client.fail(pb.FailRequest(code=Code.UNAVAILABLE.value), patient)
            assert echo.seen["fail"] == before + 1
            app.reload(read(targets))
            with pytest.raises(RpcError):
                await client.fail(pb.FailRequest(code=Code.UNAVAILABLE.value), patient)
            assert echo.seen["fail"] == before + 4
            echo.release.set()
            await under_way


async def test_what_a_fallback_remembers_outlives_it(read):
    async with App() as server:
        server.add(Echo())
        await server.start("127.0.0.1", 0)
        targets = TARGETS.format(address=server.address)
        async with App(read(targets)) as app:
            client = EchoServiceClient(app.channel("echo").falling_back({SAY: LastAnswer()}))
            await client.say(pb.SayRequest(id="kept"))
            app.reload(read(targets + IMPATIENT.replace("0.05s", "120s")))
            await server.close(0)
            assert (await client.say(pb.SayRequest(id="kept"))).id == "kept"


async def test_what_cannot_hold_here_changes_nothing(read):
    async with App() as server:
        server.add(Echo())
        await server.start("127.0.0.1", 0)
        targets = TARGETS.format(address=server.address)
        async with App(read(targets)) as app:
            app.add(Echo())
            await app.start("127.0.0.1", 0)
            client = EchoServiceClient(app.channel("echo"))
            before = app.config
            unsafe = IMPATIENT.replace("1 }", "3, retryableStatusCodes = ['ABORTED'] }")
            with pytest.raises(SetupError, match=r"methodConfig\[0\]: echo.v1.EchoService/Fail"):
                app.reload(read(f'{targets}[quotas.a]\nmethods = ["EchoService"]\n{NEVER}\n{unsafe}'))
            with pytest.raises(SetupError, match="nothing that is served here"):
                app.reload(read(f'{targets}[quotas.a]\nmethods = ["WeatherService"]\n{NEVER}\n{IMPATIENT}'))
            assert app.config is before
            async with connect(app.address, metrics=CallMetrics()) as channel:
                for _ in range(3):
                    await EchoServiceClient(channel).say(pb.SayRequest())
            assert (await client.inspect(pb.InspectRequest())).remaining > 1, "the impatient file would have left less"
    assert FAIL.full_name == "echo.v1.EchoService/Fail"


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("[service]\nheader_limit = 2048\ncompression = 'gzip'", "service.header_limit, service.compression"),
        ("[service]\nmax_timeout = 'contract'", "service.max_timeout"),
        ("[service.connections]\nmax_age = '60s'", "service.connections"),
        ("[service.keepalive]\ntime = 'off'\n[service.http1]\nmax_header_fields = 5", "service.keepalive, service.http1"),
        ("[service.http2]\nmax_concurrent_streams = 5", "service.http2"),
        ("[targets.x]\naddress = 'a:1'\nbreaker = { failures = 1 }", "targets"),
        ("[service.admission]\nmax_limit = 5", ""),
        ("[service]\nadmission = 'off'", ""),
        ("[service.connections]\nmax_connections = 10000", ""),
    ],
)
async def test_what_cannot_change_while_it_runs_is_named_in_the_log(read, caplog, text, settings):
    caplog.set_level("INFO", "towpath.app")
    before = read("")
    async with App(before) as app:
        await app.start("127.0.0.1", 0)
        reread(before, lambda: read(text), app.reload)
    messages = [record.getMessage() for record in caplog.records]
    assert "towpath.toml was read anew" in messages[0]
    assert messages[1:] == ([f"of what differs, this needs a restart: {settings}"] if settings else [])


async def test_a_client_that_is_gone_is_not_kept_for_it(read):
    async with App(read(TARGETS.format(address="127.0.0.1:1"))) as app:
        call = app.channel("echo").bind(SAY)
        kept = weakref.ref(call)
        del call
        assert kept() is None


# As a process.


@pytest.fixture
def _children_can_import(monkeypatch, tmp_path):
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


def write(text: str | None) -> None:
    """The service file in the working directory; None takes it away."""
    file = Path("towpath.toml")
    if text is None:
        file.unlink()
    else:
        file.write_text(text, encoding="utf-8")


def said(process, words: str) -> str:
    for line in process.stderr:
        if words in line:
            return line
    pytest.fail(f"the process ended before it said {words!r}")


@pytest.mark.usefixtures("_children_can_import")
async def test_hup_has_the_file_read_anew_and_a_broken_one_changes_nothing():
    write("[service]\nname = 'a'\n")
    with actor() as process:
        async with connect(serving(process), metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            write(f"[service]\nname = 'b'\nworkers = 2\n[quotas.a]\nmethods = ['EchoService/Say']\n{NEVER}\n")
            process.send_signal(signal.SIGHUP)
            assert "towpath.toml was read anew" in said(process, "read anew")
            assert "of what differs, this needs a restart: service.name, service.workers" in said(process, "restart")
            await client.say(pb.SayRequest())
            for text in ("[quotas", "[quotas.a]\nmethods = ['Nobody']\nper_second = 1", None):
                write(text)
                process.send_signal(signal.SIGHUP)
                assert "all goes on as it was: towpath.toml: " in said(process, "nothing was taken over")
                with pytest.raises(RpcError) as caught:
                    await client.say(pb.SayRequest())
                assert reason_of(caught.value) == "RATE_LIMIT"
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.usefixtures("_children_can_import")
async def test_every_worker_reads_it_anew():
    write("")
    with crew() as process:
        address = until(process, r"workers serve on (\S+)")
        watched = [Watched(pid) for pid in await team(address, lambda met: len(met) == 2)]
        write(f"[quotas.a]\nmethods = ['EchoService/Say']\n{NEVER}\n")
        process.send_signal(signal.SIGHUP)
        for _ in range(3):  # the two, and the one above them
            until(process, "(read anew)")
        refused = 0
        async with asyncio.timeout(PATIENCE):
            while not refused:
                async with connect(address, metrics=CallMetrics()) as channel:
                    try:
                        await EchoServiceClient(channel).say(pb.SayRequest())
                    except RpcError as error:
                        refused += reason_of(error) == "RATE_LIMIT"
        assert not any(worker.gone(0) for worker in watched)
        write("[quotas")
        process.send_signal(signal.SIGHUP)
        until(process, "(nothing was taken over)")
        process.terminate()
        assert process.wait(PATIENCE) == 0


AT_A_TERMINAL = """
import fcntl, os, sys, termios

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "tests.app.actor"])
"""
"""Makes its input the terminal that it is controlled by, and becomes an actor."""


@pytest.mark.usefixtures("_children_can_import")
def test_a_terminal_that_is_gone_ends_it_and_hup_on_one_that_is_there_does_not():
    write("")
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine lends no terminal: {error}")
    process = subprocess.Popen([sys.executable, "-c", AT_A_TERMINAL], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8", errors="replace") as output:
        shown = iter(output)
        assert any(" serves " in line for line in shown)
        process.send_signal(signal.SIGHUP)
        assert any("was read anew" in line for line in shown)
    assert process.wait(PATIENCE) == 0
