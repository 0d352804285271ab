"""Synchronous calls in a process whose threads are gevent's greenlets. gevent is no dependency: with it, real greenlets make the calls."""

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.echo_service import PATIENCE, Echo
from tests.stream_service import Streams
from towpath._core.calls.sync_calls import LoopRunner, patched_by_gevent
from towpath._transport import Server


@pytest.fixture
def runner() -> Iterator[LoopRunner]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield LoopRunner(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


async def answer() -> int:
    return 7


def test_only_a_task_would_block_its_loop_where_all_threads_are_one(runner: LoopRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_a_task() -> None:
        with pytest.raises(RuntimeError, match="would block the event loop"):
            runner.run(answer)

    async def beside_it(work: asyncio.Future[int]) -> int:
        asyncio.get_running_loop().call_soon(lambda: work.set_result(runner.run(answer)))
        return await work

    async def both() -> int:
        await in_a_task()
        return await beside_it(asyncio.get_running_loop().create_future())

    assert not patched_by_gevent()
    monkey = ModuleType("gevent.monkey")  # all that is looked at of gevent
    monkey.is_module_patched = lambda name: name == "threading"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    assert patched_by_gevent()
    assert asyncio.run(both()) == 7


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
if sys.argv[2] == "asyncio":
    sys.modules["uvloop"] = None
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceSyncClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceSyncClient
from towpath import CallOptions, RpcError, connect_sync
channel = connect_sync(sys.argv[1])
echo, streams = EchoServiceSyncClient(channel), StreamServiceSyncClient(channel)
patient = CallOptions(timeout=60)
jobs = [gevent.spawn(lambda n=n: echo.say(pb.SayRequest(n=n), patient).n) for n in range(50)]
gevent.joinall(jobs)
assert [job.value for job in jobs] == list(range(50))
def wait():
    try:
        echo.sleep(pb.SleepRequest(seconds=1e6), CallOptions(timeout=1.0))
    except RpcError as error:
        return error.code.name
waiting = gevent.spawn(wait)
turns = 0
while not waiting.ready():  # others have their turn while one waits
    gevent.sleep(0.01)
    turns += 1
assert waiting.value == "DEADLINE_EXCEEDED" and turns > 1
def requests():
    for size in range(3):
        gevent.sleep(0)
        yield stream_pb2.ConverseRequest(answers=[stream_pb2.Answer(size=size)])
assert [len(response.payload) for response in streams.converse(requests(), patient)] == [0, 1, 2]
with gevent.Timeout(0.2, False):
    echo.sleep(pb.SleepRequest(seconds=1e6))
assert echo.say(pb.SayRequest(n=7), patient).n == 7
"""


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_greenlets_make_calls_and_stop_nobody(loop: str) -> None:
    served, server = asyncio.new_event_loop(), Server([Echo(), Streams()])
    served.run_until_complete(server.start())
    thread = threading.Thread(target=served.run_forever)
    thread.start()
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        subprocess.run([sys.executable, "-W", "ignore", "-c", GREENLETS, server.address, loop], env=path, timeout=6 * PATIENCE, check=True)
    finally:
        asyncio.run_coroutine_threadsafe(server.close(0), served).result(PATIENCE)
        served.call_soon_threadsafe(served.stop)
        thread.join(PATIENCE)
        served.close()
