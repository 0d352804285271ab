"""`connect_sync` as scripts and servers without asyncio use it, and sync channels of an application."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient, EchoServiceSyncClient

from tests.app.stage import PATIENCE, importable
from tests.echo_service import Echo, serving
from towpath import App, CallOptions, Code, Context, RpcError, SetupError, blocking, connect, connect_sync
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.metrics import CallMetrics

PATIENT = CallOptions(timeout=PATIENCE)

SCRIPT = """
import logging, os, sys, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # what forks here is what is tested
logging.getLogger("asyncio").setLevel(logging.ERROR)  # debug mode warns of what takes 0.1 s, as anything may on a busy machine
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceSyncClient
from towpath import CallOptions, connect_sync

channel = connect_sync(sys.argv[1])
client = EchoServiceSyncClient(channel)

def ask(n):
    assert client.say(SayRequest(n=n), CallOptions(timeout=120)).n == n
"""


async def script(body: str, address: str, monkeypatch: pytest.MonkeyPatch, *, before: str = "") -> tuple[int, str]:
    importable(monkeypatch)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-c", before + SCRIPT + body, address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_a_script_need_not_close_what_it_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Echo()) as server:
        assert await script("ask(1)", server.address, monkeypatch) == (0, "")


async def test_a_call_after_the_end_is_refused_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a function that was registered before towpath's own, and so runs after it."""
    before = """
import atexit

def late():
    try:
        client.say(SayRequest())
    except RpcError as error:
        print(error.code.name)

atexit.register(late)
from towpath import RpcError
"""
    async with serving(Echo()) as server:
        assert await script("ask(1)", server.address, monkeypatch, before=before) == (0, "CANCELLED\n")


async def test_a_process_that_forks_has_calls_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
ask(1)
children = []
for n in range(3):
    child = os.fork()
    if not child:
        try:
            ask(n)
            ask(n + 1)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
    ask(n)
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
ask(2)
"""
    async with serving(Echo()) as server:
        assert await script(body, server.address, monkeypatch) == (0, "")


async def test_a_channel_made_before_a_fork_is_used_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server that forks its workers does with what a module makes when it is imported."""
    body = """
child = os.fork()
ask(1)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    async with serving(Echo()) as server:
        assert await script(body, server.address, monkeypatch) == (0, "")


async def test_threads_share_one_connection() -> None:
    def work() -> int:
        with connect_sync(server.address, metrics=CallMetrics()) as channel, ThreadPoolExecutor(16) as threads:
            client = EchoServiceSyncClient(channel)
            answers = threads.map(lambda n: client.say(pb.SayRequest(n=n), PATIENT).n, range(400))
            assert list(answers) == list(range(400))
            return len(server.links)

    async with serving(Echo()) as server:
        assert await asyncio.to_thread(work) == 1


async def test_a_closed_channel_refuses_calls() -> None:
    def work() -> None:
        channel = connect_sync(server.address, metrics=CallMetrics())
        channel.close()
        client = EchoServiceSyncClient(channel)
        with pytest.raises(RpcError) as caught:
            client.say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.CANCELLED
        with connect_sync(server.address, metrics=CallMetrics()) as channel:
            client = EchoServiceSyncClient(channel)
            client.say(pb.SayRequest(), PATIENT)
        with pytest.raises(RpcError) as caught:
            client.say(pb.SayRequest(), PATIENT)
        assert caught.value.code is Code.CANCELLED
        channel.close()

    async with serving(Echo()) as server:
        await asyncio.to_thread(work)


def test_a_target_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(SetupError, match="'nowhere' is not host:port"):
        connect_sync("nowhere")


def test_a_target_that_nobody_listens_on_is_named() -> None:
    with connect_sync("127.0.0.1:1", metrics=CallMetrics()) as channel:
        assert channel.target == "127.0.0.1:1"
        with pytest.raises(RpcError, match=r"cannot connect to 127\.0\.0\.1:1") as caught:
            EchoServiceSyncClient(channel).say(pb.SayRequest(), PATIENT)
    assert caught.value.code is Code.UNAVAILABLE


class Front(Echo):
    """Asks another echo from a thread."""

    def __init__(self, behind: EchoServiceSyncClient) -> None:
        super().__init__()
        self.behind = behind

    @blocking
    def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        return self.behind.inspect(request)


async def test_a_handler_in_a_thread_calls_on_with_the_context_of_its_call() -> None:
    async with serving(Echo()) as server, App(ServiceConfig(targets={"echo": server.address})) as app:
        app.add(Front(EchoServiceSyncClient(app.sync_channel("echo"))))
        await app.start()
        async with connect(app.address, metrics=CallMetrics()) as channel:
            seen = await EchoServiceClient(channel).inspect(pb.InspectRequest(), CallOptions(timeout=PATIENCE, tenant="acme"))
        assert seen.tenant == "acme"
        assert 0 < seen.remaining < PATIENCE
        assert len(server.links) == 1


async def test_the_same_program_runs_on_uvloop_or_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not here')")
    async with serving(Echo()) as server:
        assert await script("ask(1)", server.address, monkeypatch) == (0, "")
        importable(monkeypatch)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT + "ask(1)", server.address)
        assert await process.wait() == 0
