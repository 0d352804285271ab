"""`run` as the operating system sees it: statuses, signals, inherited descriptors, and what is left at the end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from echo.v1.echo_pb2 import InspectRequest, SayRequest, SleepRequest
from echo.v1.echo_towpath import EchoServiceClient
from prometheus_client.parser import text_string_to_metric_families

from tests.app.stage import PATIENCE, importable, refusal
from towpath import CallOptions, Code, RpcError, connect
from towpath._telemetry.metrics import CallMetrics


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch, tmp_path):
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


@contextmanager
def actor(act: str = "serve", *, fds: tuple[int, ...] = (), **variables: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.actor"],
        env={**os.environ, "ACT": act, "PYTHONUNBUFFERED": "1", **{name: str(value) for name, value in variables.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        pass_fds=fds,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def serving(process: subprocess.Popen[str]) -> str:
    """The address that the process says it serves on."""
    for line in process.stderr:
        if " serves " in line:
            return line.rstrip().rpartition(" ")[2]
    pytest.fail("the process ended before it served")


def failure(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_a_success(number):
    with actor() as process:
        serving(process)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0


async def test_a_handler_that_exits_ends_its_call_and_not_the_process():
    with actor("exits") as process:
        async with connect(serving(process), metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=0.1), CallOptions(timeout=PATIENCE)))
            with pytest.raises(RpcError, match="internal error, request id"):
                await client.say(SayRequest())
            await call
        process.send_signal(signal.SIGINT)
        status, errors = failure(process)
    assert status == 0
    assert "sys.exit(3)" in errors


@pytest.mark.parametrize(("act", "expected"), [("leaves", 3), ("interrupts", -signal.SIGINT)])
async def test_an_exit_in_a_task_of_a_handler_waits_for_the_calls_of_the_others(act, expected):
    with actor(act, TOWPATH_GRACE="60s") as process:
        async with connect(serving(process), metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await client.inspect(InspectRequest(), CallOptions(timeout=PATIENCE))
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=0.5), CallOptions(timeout=PATIENCE)))
            await asyncio.sleep(0)
            await client.inspect(InspectRequest(), CallOptions(timeout=PATIENCE))  # answered, so the call before it has arrived
            with pytest.raises(RpcError, match="internal error, request id"):
                await client.say(SayRequest(), CallOptions(timeout=PATIENCE))
            await call
        status, errors = failure(process)
    assert status == expected
    assert f"the task of give_up raised {'SystemExit(3)' if act == 'leaves' else 'KeyboardInterrupt()'}: the service stops" in errors
    assert "never retrieved" not in errors


async def test_a_call_under_way_is_finished_before_the_process_ends(tmp_path):
    dump = tmp_path / "echo.prom"
    with actor(TOWPATH_METRICS_DUMP=dump) as process:
        async with connect(serving(process), metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await client.say(SayRequest())
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=0.5), CallOptions(timeout=PATIENCE)))
            await client.say(SayRequest())  # answered, so the call before it has arrived
            process.terminate()
            await call
        assert process.wait(PATIENCE) == 0
    counts = {
        sample.labels["rpc_method"]: sample.value
        for family in text_string_to_metric_families(dump.read_text())
        for sample in family.samples
        if sample.name == "rpc_server_call_duration_seconds_count" and sample.labels["rpc_status_code"] == "OK"
    }
    assert (counts["echo.v1.EchoService/Say"], counts["echo.v1.EchoService/Sleep"]) == (2, 1)


async def test_a_second_signal_ends_calls_at_once(tmp_path):
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '3600s'")
    with actor() as process:
        address = serving(process)
        async with connect(address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=3600), CallOptions(timeout=3600)))
            await client.say(SayRequest())
            process.terminate()
            await refusal(address)
            process.terminate()
            with pytest.raises(RpcError) as caught:
                await call
        assert caught.value.code is Code.UNAVAILABLE
        status, said = failure(process)
        assert (status, said.splitlines()[-1]) == (1, "error: stopped before running calls had ended")


def probed(process: subprocess.Popen[str]) -> str:
    """The address that the process says it answers probes on."""
    for line in process.stderr:
        if " answers probes on " in line:
            return line.rstrip().rpartition(" ")[2]
    pytest.fail("the process ended before it answered probes")


def readiness(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=PATIENCE) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def wait_for(address: str, state: str) -> None:
    """Ask until the process says that it is in that state."""
    while readiness(address) != state:
        continue


def test_probes_are_answered_before_the_program_is_ready_and_a_signal_ends_it_all_the_same():
    with actor("hangs", TOWPATH_ADMIN="127.0.0.1:0") as process:
        assert readiness(probed(process)) == "starting\n"
        process.terminate()
        assert process.wait(PATIENCE) == 0


async def test_a_service_goes_on_serving_while_callers_hear_that_it_stops(tmp_path):
    (tmp_path / "towpath.toml").write_text("[service]\nadmin = '127.0.0.1:0'\nsettle = '3600s'")
    with actor() as process:
        probes, address = probed(process), serving(process)
        assert readiness(probes) == "serving\n"
        process.terminate()
        wait_for(probes, "stopping\n")
        async with connect(address, metrics=CallMetrics()) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        process.terminate()
        assert failure(process)[0] == 1


def test_a_wrong_configuration_is_one_line_and_status_2(tmp_path):
    (tmp_path / "towpath.toml").write_text("[service]\nlisen = ''")
    with actor() as process:
        assert failure(process) == (2, "error: towpath.toml: unknown key service.lisen; did you mean 'listen'\n")


def test_what_main_cannot_work_with_is_one_line_and_status_2():
    with actor("unfit") as process:
        assert failure(process) == (2, "error: data.bin is damaged; import it again\n")


def test_a_call_that_fails_in_main_is_one_line_and_status_1():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{closed.getsockname()[1]}"
        with actor("asks", TOWPATH_TARGET_ECHO=target) as process:
            status, errors = failure(process)
    assert (status, errors.startswith(f"error: UNAVAILABLE: cannot connect to {target}: ")) == (1, True)
    assert "Traceback" not in errors


def test_a_port_in_use_is_named_with_where_it_was_set():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with actor(TOWPATH_LISTEN=address) as process:
            status, errors = failure(process)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"error: TOWPATH_LISTEN: cannot listen on {address}: port {address.rpartition(':')[2]} is in use")


def test_a_main_without_services_is_a_job():
    with actor("job") as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors.count("\n")) == (0, "done\n", 1)
    assert errors.endswith("towpath ends: its main has returned and added no service; a service is added with app.add(...)\n")


def test_an_inherited_socket_is_served_and_ready_is_said():
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        fds = (listener.fileno(), theirs.fileno())
        with actor(fds=fds, TOWPATH_LISTEN_FD=fds[0], TOWPATH_NOTIFY_FD=fds[1]) as process:
            theirs.close()
            ours.settimeout(PATIENCE)
            assert ours.recv(64) == b"READY=1\n"
            assert serving(process) == f"127.0.0.1:{listener.getsockname()[1]}"
            ours.close()  # what the end of the parent looks like
            assert process.wait(PATIENCE) == 0


async def test_a_parent_that_goes_after_it_has_told_the_process_to_stop_ends_no_call(tmp_path):
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '3600s'")
    ours, theirs = socket.socketpair()
    with ours, theirs, actor(fds=(theirs.fileno(),), TOWPATH_NOTIFY_FD=theirs.fileno()) as process:
        theirs.close()
        address = serving(process)
        async with connect(address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=2), CallOptions(timeout=PATIENCE)))
            await client.say(SayRequest())  # answered, so the call before it has arrived
            process.terminate()
            await refusal(address)
            ours.close()
            await call
        assert process.wait(PATIENCE) == 0


def test_a_plain_pipe_will_do_for_ready():
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as said, actor(fds=(write_end,), TOWPATH_NOTIFY_FD=write_end) as process:
        os.close(write_end)
        assert said.readline() == b"READY=1\n"
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("TOWPATH_LISTEN_FD", "TOWPATH_LISTEN_FD: descriptor {fd} is not a socket; it is set by whoever starts the process"),
        ("TOWPATH_NOTIFY_FD", "TOWPATH_NOTIFY_FD: descriptor {fd} is neither pipe nor socket; it is set by whoever starts the process"),
    ],
)
def test_a_descriptor_of_the_wrong_kind_is_refused(variable, message, tmp_path):
    with (tmp_path / "file").open("wb") as file, actor(fds=(file.fileno(),), **{variable: file.fileno()}) as process:
        assert failure(process) == (2, f"error: {message.format(fd=file.fileno())}\n")


@pytest.mark.parametrize("variable", ["TOWPATH_LISTEN_FD", "TOWPATH_NOTIFY_FD"])
def test_a_descriptor_that_is_not_open_is_refused(variable):
    with actor(**{variable: 999}) as process:
        status, errors = failure(process)
    assert (status, errors.startswith(f"error: {variable}: "), "Traceback" in errors) == (2, True, False)


def test_a_socket_that_does_not_listen_is_refused():
    with socket.socket() as idle, actor(fds=(idle.fileno(),), TOWPATH_LISTEN_FD=idle.fileno()) as process:
        status, errors = failure(process)
    assert (status, "is not a listening socket; call listen() before passing it on" in errors) == (2, True)


JOB = """
import resource
import towpath

async def main(app):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))

towpath.run(main)
"""


def test_a_service_may_have_as_many_files_open_as_the_system_lets_it():
    lowered = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]));"
    done = subprocess.run([sys.executable, "-c", lowered + JOB], stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    soft, hard = map(int, done.stdout.split())
    assert soft == hard != 200
