"""Several workers on one port, as the operating system and callers see them."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from echo.v1.echo_pb2 import SayRequest, SleepRequest
from echo.v1.echo_towpath import EchoServiceClient
from prometheus_client.parser import text_string_to_metric_families

from tests.app.stage import PATIENCE, Watched, importable, refusal
from towpath import CallOptions, Code, RpcError, connect
from towpath._telemetry.metrics import CallMetrics

PATIENT = CallOptions(timeout=PATIENCE, wait_for_ready=True)


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch, tmp_path):
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


@contextmanager
def crew(act: str = "who", *, workers: int = 2, fds: tuple[int, ...] = (), **variables: object) -> Iterator[subprocess.Popen[str]]:
    given = {"ACT": act, "TOWPATH_WORKERS": workers, "PYTHONUNBUFFERED": 1, **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.app.actor"],
        env={**os.environ, **{name: str(value) for name, value in given.items()}},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        pass_fds=fds,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], pattern: str) -> str:
    """What the group of `pattern` matches in the first line of the log that it fits."""
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if found := re.search(pattern, line):
            return found[1]
    pytest.fail(f"the process ended before it said {pattern!r}:\n{''.join(seen)}")


def serving(process: subprocess.Popen[str]) -> str:
    return until(process, r"workers serve on (\S+)")


async def who(address: str) -> int:
    """The process that a new connection leads to."""
    async with connect(address, metrics=CallMetrics()) as channel:
        return (await EchoServiceClient(channel).say(SayRequest(), PATIENT)).n


async def team(address: str, wanted: Callable[[set[int]], bool]) -> set[int]:
    """The processes that serve, once enough connections have met all that are `wanted`."""
    met: set[int] = set()
    async with asyncio.timeout(PATIENCE):
        while not wanted(met):
            met.add(await who(address))
    return met


async def test_every_worker_serves_the_one_port():
    with crew(workers=3) as process:
        address = serving(process)
        met = await team(address, lambda met: len(met) == 3)
        assert process.pid not in met
        watched = [Watched(pid) for pid in met]
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert all(worker.gone() for worker in watched)


def test_workers_that_keep_answers_for_themselves_say_so_once():
    with crew(workers=2) as process:
        assert until(process, r'WARNING .*idempotency is "memory", which each of the (\d) workers has for itself') == "2"
        serving(process)
        process.terminate()
        assert process.wait(PATIENCE) == 0
        assert 'is "memory"' not in process.stderr.read()


@pytest.mark.parametrize("place", ["unix", "inherited"])
async def test_workers_share_a_socket_that_cannot_be_had_twice(place, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        given = {"TOWPATH_LISTEN": f"unix:{tmp_path}/s.sock"} if place == "unix" else {"TOWPATH_LISTEN_FD": listener.fileno()}
        with crew(fds=() if place == "unix" else (listener.fileno(),), **given) as process:
            met = await team(serving(process), lambda met: len(met) == 2)
            watched = [Watched(pid) for pid in met]
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert all(worker.gone() for worker in watched)


async def test_a_worker_that_is_killed_is_succeeded_and_nobody_is_refused():
    with crew() as process:
        address = serving(process)
        first, second = await team(address, lambda met: len(met) == 2)
        os.kill(first, signal.SIGKILL)
        met = await team(address, lambda met: len(met - {first}) == 2)
        assert second in met
        assert until(process, r"worker \d (.*); another one takes its place") == "was killed by SIGKILL"
        process.terminate()
        assert process.wait(PATIENCE) == 0


async def test_a_worker_that_cannot_come_back_leaves_its_callers_to_the_others(tmp_path):
    with crew("fragile", TOWPATH_ADMIN="127.0.0.1:0") as process:
        probes = until(process, r"answers probes on (\S+)")
        address = serving(process)
        first, second = await team(address, lambda met: len(met) == 2)
        (tmp_path / "broken").touch()
        for pid in (first, second):
            os.kill(pid, signal.SIGKILL)  # of which worker 0 comes back
        for _ in range(3):
            until(process, r"worker 1 (exited with status 3); another one takes its place")
        for _ in range(30):
            await who(address)
        assert (await got(probes, "/readyz")) == (200, "serving\n")
        restarts = re.findall(r'towpath_worker_restarts_total{worker="(\d)"} (\d+)', (await got(probes, "/metrics"))[1])
        assert [worker for worker, count in restarts if int(count) >= 1] == ["0", "1"]
        (tmp_path / "broken").unlink()
        await team(address, lambda met: len(met - {first, second}) == 2)
        process.terminate()
        assert process.wait(PATIENCE) == 0


async def test_calls_under_way_finish_when_the_supervisor_is_told_to_stop(tmp_path):
    dump = tmp_path / "all.prom"
    with crew(TOWPATH_METRICS_DUMP=dump) as process:
        address = serving(process)
        async with connect(address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=0.5), PATIENT))
            await client.say(SayRequest(), PATIENT)  # answered, so the call before it has arrived
            process.terminate()
            await call
        assert process.wait(PATIENCE) == 0
    assert sum(counts(dump.read_text(), "Sleep").values()) == 1


async def test_a_second_signal_ends_calls_at_once(tmp_path):
    (tmp_path / "towpath.toml").write_text("[service]\ngrace = '3600s'")
    with crew() as process:
        address = serving(process)
        watched = [Watched(pid) for pid in await team(address, lambda met: len(met) == 2)]
        async with connect(address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            call = asyncio.create_task(client.sleep(SleepRequest(seconds=3600), CallOptions(timeout=3600)))
            await client.say(SayRequest(), PATIENT)
            process.terminate()
            await refusal(address)
            process.terminate()
            with pytest.raises(RpcError) as caught:
                await call
        assert caught.value.code is Code.UNAVAILABLE
        assert process.wait(PATIENCE) == 1
        assert all(worker.gone() for worker in watched)


async def test_workers_do_not_outlive_a_supervisor_that_is_killed():
    with crew() as process:
        watched = [Watched(pid) for pid in await team(serving(process), lambda met: len(met) == 2)]
        process.kill()
        assert all(worker.gone() for worker in watched)


async def test_the_metrics_are_those_of_all_workers(tmp_path):
    admin = tmp_path / "admin.sock"
    with crew(TOWPATH_ADMIN="127.0.0.1:0") as process:
        probes = until(process, r"answers probes on (\S+)")
        address = serving(process)
        assert await got(probes, "/livez") == (200, "ok\n")
        assert await got(probes, "/readyz?verbose") == (200, "serving\n")
        assert (await got(probes, "/nothing"))[0] == 404
        calls = 0
        while len(counts((await got(probes, "/metrics"))[1], "Say")) < 2:
            await who(address)
            calls += 1
        assert sum(counts((await got(probes, "/metrics"))[1], "Say").values()) == calls
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert not admin.exists()


def test_what_is_a_workers_own_is_not_handed_on(tmp_path):
    with crew("starts", TOWPATH_ADMIN="127.0.0.1:0", TOWPATH_METRICS_DUMP=tmp_path / "all.prom") as process:
        assert until(process, r"worker 0 would hand on (.*)") == "[]"
        process.terminate()
        assert process.wait(PATIENCE) == 0


async def test_until_every_worker_is_there_the_service_is_starting():
    with crew("hangs", TOWPATH_ADMIN="127.0.0.1:0") as process:
        probes = until(process, r"answers probes on (\S+)")
        assert await got(probes, "/readyz") == (503, "starting\n")
        assert "rpc_server" not in (await got(probes, "/metrics"))[1]
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ("unfit", 2, "error: worker 0 exited with status 2 before it was ready"),
        ("dies", 3, "error: worker 0 exited with status 3 before it was ready"),
        ("job", 1, "error: worker 0 exited with status 0 before it was ready; its main added no service, and a job needs no workers"),
    ],
)
def test_a_worker_that_does_not_come_up_ends_the_start(act, status, said):
    with crew(act, workers=3) as process:
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == status
        assert said in errors
        assert errors.count("data.bin is damaged") == (act == "unfit")


def test_one_of_the_others_that_does_not_come_up_ends_the_start_too(tmp_path):
    (tmp_path / "broken").touch()
    with crew("fragile", workers=3) as process:
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert "error: worker 1 exited with status 3 before it was ready" in errors


def test_a_port_that_other_workers_serve_is_in_use():
    with crew() as process:
        address = serving(process)
        with crew(TOWPATH_LISTEN=address) as second:
            _, errors = second.communicate(timeout=PATIENCE)
        assert second.returncode == 2
        assert f"TOWPATH_LISTEN: cannot listen on {address}: port {address.split(':')[1]} is in use by another process" in errors


@pytest.mark.parametrize("number", ["0", "many", "-1"])
def test_what_is_no_number_of_workers_is_refused(number):
    with crew(TOWPATH_WORKERS=number) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f"error: TOWPATH_WORKERS: '{number}' is no number of processes" in errors


async def got(address: str, path: str) -> tuple[int, str]:
    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(get)


def counts(exposition: str, method: str) -> dict[str, float]:
    """Calls by worker."""
    return {
        sample.labels["worker"]: sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == "rpc_server_call_duration_seconds_count"
        and sample.labels["rpc_method"] == f"echo.v1.EchoService/{method}"
        and sample.value
    }
