"""A system of real processes: all ready, or none left."""

import asyncio
import os
import signal
import socket

import pytest
from echo.v1.echo_pb2 import InspectRequest, SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from prometheus_client.parser import text_string_to_metric_families

from tests.app.stage import Watched, exists, importable, linux, system
from towpath import CallOptions, Code, RpcError, SetupError, connect
from towpath._app.process.child_output import MAX_LINE_BYTES
from towpath._app.system.supervisor import ServiceDied, System
from towpath._telemetry.metrics import CallMetrics


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch):
    importable(monkeypatch)


class Heard:
    """Takes lines and lets a test wait for one."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._more = asyncio.Event()

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        self._more.set()

    async def until(self, name: str, start: str) -> str:
        while True:
            for said, line in self.lines:
                if said == name and line.startswith(start):
                    return line
            self._more.clear()
            await self._more.wait()

    def by(self, name: str) -> list[str]:
        return [line for said, line in self.lines if said == name]


def refuses(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_services_are_ready_know_their_targets_and_stop_together(tmp_path):
    heard = Heard()
    path = system(tmp_path, echo="serve", relay="relay\ncalls = ['echo']")
    async with System.start(path, emit=heard, metrics=tmp_path) as running:
        pids = [running.pid("echo"), running.pid("relay")]
        async with connect(running.address("relay"), metrics=CallMetrics()) as channel:
            seen = await EchoServiceClient(channel).inspect(InspectRequest(), CallOptions(tenant="acme"))
        assert seen.tenant == "acme"
        assert sorted(heard.by("towpath")) == [f"{name} is ready at {running.address(name)}" for name in ("echo", "relay")]
    assert not any(map(exists, pids))
    assert refuses(running.address("echo"))
    families = {family.name for family in text_string_to_metric_families((tmp_path / "relay.prom").read_text())}
    assert {"rpc_server_call_duration_seconds", "rpc_client_call_duration_seconds"} <= families


async def test_the_death_of_one_is_named_and_stops_the_others(tmp_path):
    async with System.start(system(tmp_path, echo="serve", other="serve")) as running:
        other = running.pid("other")
        os.kill(running.pid("echo"), signal.SIGKILL)
        with pytest.raises(ServiceDied, match="echo was killed by SIGKILL, though nobody stopped it") as caught:
            await running.wait()
    assert (caught.value.name, caught.value.status) == ("echo", -signal.SIGKILL)
    assert "echo serves echo" not in str(caught.value)
    assert "its last lines:\n    " in str(caught.value)
    assert not exists(other)


async def test_a_dead_service_refuses_connections_at_once(tmp_path):
    async with System.start(system(tmp_path, echo="serve")) as running:
        os.kill(running.pid("echo"), signal.SIGKILL)
        with pytest.raises(ServiceDied):
            await running.wait()
        async with connect(running.address("echo"), metrics=CallMetrics()) as channel:
            with pytest.raises(RpcError, match=running.address("echo")) as caught:
                await EchoServiceClient(channel).say(SayRequest())
        assert caught.value.code is Code.UNAVAILABLE


async def test_one_that_was_killed_on_purpose_comes_back_at_its_address_and_its_next_death_is_one(tmp_path):
    async with System.start(system(tmp_path, echo="serve", other="serve")) as running:
        watching = asyncio.create_task(running.wait())
        first, address = running.pid("echo"), running.address("echo")
        await running.kill("echo")
        assert not exists(first)
        assert refuses(address)
        await running.respawn("echo")
        assert (running.address("echo"), watching.done()) == (address, False)
        async with connect(address, metrics=CallMetrics()) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        os.kill(running.pid("echo"), signal.SIGKILL)
        with pytest.raises(ServiceDied, match="echo was killed by SIGKILL"):
            await watching


async def test_a_kill_that_is_cancelled_leaves_nothing_running(tmp_path):
    async with System.start(system(tmp_path, echo="serve")) as running:
        pid = running.pid("echo")
        killing = asyncio.create_task(running.kill("echo"))
        await asyncio.sleep(0)
        killing.cancel()
        await asyncio.wait((killing,))
        assert not exists(pid)


async def test_a_port_that_was_taken_meanwhile_is_named(tmp_path):
    async with System.start(system(tmp_path, echo="serve")) as running:
        host, _, port = running.address("echo").rpartition(":")
        await running.kill("echo")
        with socket.create_server((host, int(port))), pytest.raises(SetupError, match=rf"services\.echo\.listen: .*port {port} is in use"):
            await running.respawn("echo")


async def test_a_service_gets_what_its_starter_adds_to_its_environment(tmp_path):
    path = system(tmp_path, echo="serve", other="serve")
    with pytest.raises(SetupError, match=r"other exited .*\n    error: TOWPATH_IDEMPOTENCY: does not name a store"):
        async with System.start(path, env={"other": {"TOWPATH_IDEMPOTENCY": "nowhere"}}):
            pytest.fail("not everything was ready")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("dies", r"bad exited with status 3 before it was ready; its last lines:\n    last words"),
        ("unfit", r"bad exited with status 2 before it was ready; its last lines:\n    error: data\.bin is damaged; import it again"),
        (
            "job",
            r"bad exited with status 0 before it was ready; a service stays up if its main adds one to the App; its last lines:\n    done",
        ),
        ("relay", r"bad exited with status 2 .*\n    error: unknown target 'echo'; there are no targets; set targets\.echo .*TARGET_ECHO"),
    ],
)
async def test_a_service_that_does_not_start_is_named_with_its_last_lines(tmp_path, act, message):
    heard = Heard()
    with pytest.raises(SetupError, match=message):
        async with System.start(system(tmp_path, good="serve", bad=act), emit=heard):
            pytest.fail("not everything was ready")
    assert heard.by("bad")


async def test_a_service_that_is_never_ready_is_not_waited_for_without_end(tmp_path):
    path = system(tmp_path, "[system]\nready_timeout = '1.5s'\n", slow="hangs")
    with pytest.raises(SetupError, match=r"slow did not become ready within 1\.5 s; raise system\.ready_timeout"):
        async with System.start(path):
            pytest.fail("not everything was ready")


async def test_a_module_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "system.toml"
    path.write_text("[services.a]\nmodule = 'no_such_module'")
    with pytest.raises(
        SetupError, match=r"a exited with status 1 before it was ready; its last lines:\n    .*No module named no_such_module"
    ):
        async with System.start(path):
            pytest.fail("not everything was ready")


async def test_a_port_in_use_is_named_before_anything_starts(tmp_path):
    heard = Heard()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = system(tmp_path, free="serve", taken=f"serve\nlisten = '127.0.0.1:{port}'")
        with pytest.raises(SetupError, match=rf"services\.taken\.listen: cannot listen on 127\.0\.0\.1:{port}: port {port} is in use"):
            async with System.start(path, emit=heard):
                pytest.fail("not everything was ready")
    assert heard.lines == []


async def test_output_is_cut_into_printable_lines(tmp_path):
    heard = Heard()
    async with System.start(system(tmp_path, echo="chatty"), emit=heard):
        await heard.until("echo", "to stderr")
    assert heard.by("echo")[:3] == ["half a line and its end", "\\xff\\x1b[2J", "x" * MAX_LINE_BYTES]


async def test_a_cycle_is_allowed_and_noted(tmp_path):
    heard = Heard()
    path = system(tmp_path, echo="serve\ncalls = ['relay']", relay="relay\ncalls = ['echo']")
    async with System.start(path, emit=heard):
        assert heard.by("towpath")[0] == "note: services call each other in a cycle: echo -> relay -> echo"


async def test_who_ignores_sigterm_is_killed_after_the_grace(tmp_path):
    async with System.start(system(tmp_path, "[system]\ngrace = '0.2s'\n", echo="stubborn")) as running:
        pid = running.pid("echo")
    assert not exists(pid)


@linux
async def test_what_a_service_started_goes_with_it(tmp_path):
    heard = Heard()
    async with System.start(system(tmp_path, echo="parent"), emit=heard):
        await heard.until("echo", "grandchild is ")
        await heard.until("echo", "grandchild")
        grandchild = Watched(int((await heard.until("echo", "grandchild is ")).rpartition(" ")[2]))
    assert grandchild.gone()


async def test_the_death_of_a_service_is_seen_though_its_child_holds_its_output(tmp_path):
    async with System.start(system(tmp_path, echo="parent")) as running:
        os.kill(running.pid("echo"), signal.SIGKILL)
        with pytest.raises(ServiceDied, match="echo was killed by SIGKILL"):
            await running.wait()


async def test_what_emit_raises_reaches_who_waits(tmp_path):
    def closed(_name: str, line: str) -> None:
        if "serves" in line:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        async with System.start(system(tmp_path, echo="serve"), emit=closed) as running:
            await running.wait()
