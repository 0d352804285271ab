"""A channel that outlives its loop, is used beside it, or is inherited by a forked process."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.stream_service import Streams, answers
from towpath import CallOptions, connect
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel, ChannelOptions, Server

PATIENT = CallOptions(timeout=PATIENCE)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

# A channel that is dropped with its loop was not closed, and asyncio says so.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a server that runs in another thread."""
    loop, server = asyncio.new_event_loop(), Server([Echo(), Streams()])
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server.address
    asyncio.run_coroutine_threadsafe(server.close(0), loop).result(PATIENCE)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()
    gc.collect()  # what was not closed is found here, and not in another test


async def asked(channel: Any) -> list[int]:
    found = await EchoServiceClient(channel).say(pb.SayRequest(n=7), PATIENT)
    call = StreamServiceClient(channel).repeat(stream_pb2.RepeatRequest(answers=answers([1, 2])), PATIENT)
    return [found.n, *[len(message.payload) async for message in call]]


def run(work: Any, loop: str) -> Any:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(work)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
@pytest.mark.parametrize("scheme", ["", "static:///", "dns:///"])
def test_a_channel_connects_anew_in_each_loop(address: str, scheme: str, protocol: Any, loop: str) -> None:
    channel = connect(scheme + address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol))
    for _ in range(3):
        assert run(asked(channel), loop) == [7, 1, 2]
    run(channel.close(), loop)


def test_calls_that_waited_in_a_closed_loop_are_forgotten(port: int, address: str) -> None:
    channel = Channel(f"127.0.0.1:{port}")

    async def give_up() -> None:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=PATIENCE, wait_for_ready=True)))
        await turn_until(lambda: channel.pool.waiting)
        call.cancel()

    async def serve() -> list[int]:
        server = Server([Echo(), Streams()])
        await server.start("127.0.0.1", port)
        found = await asked(channel)
        await channel.close()
        await server.close(0)
        return found

    run(give_up(), "asyncio")
    assert run(serve(), "asyncio") == [7, 1, 2]


def test_a_second_loop_beside_an_open_one_is_refused(address: str) -> None:
    channel = Channel(address)
    refused: list[str] = []

    def elsewhere() -> None:
        for work in (asked(channel), channel.close()):
            with pytest.raises(RuntimeError) as caught:
                asyncio.run(work)
            refused.append(str(caught.value))

    async def both() -> None:
        assert await asked(channel) == [7, 1, 2]
        await asyncio.to_thread(elsewhere)
        assert await asked(channel) == [7, 1, 2]
        await channel.close()

    asyncio.run(both())
    assert len(refused) == 2
    assert all("belongs to another event loop, which is still open; make a channel in each loop" in text for text in refused)


FORKED = """
import asyncio, os, sys
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from towpath import CallOptions, connect
if sys.argv[2] == "uvloop":
    import uvloop
    new = uvloop.new_event_loop
else:
    new = asyncio.new_event_loop
client = EchoServiceClient(connect(sys.argv[1]))
async def say():
    return (await client.say(pb.SayRequest(n=7), CallOptions(timeout=120))).n
def run():
    with asyncio.Runner(loop_factory=new) as runner:
        return runner.run(say())
loop = new()
assert loop.run_until_complete(say()) == 7
child = os.fork()
if not child:
    try:
        status = 0 if [run(), run()] == [7, 7] else 1
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        status = 2
    os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert loop.run_until_complete(say()) == 7
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_forked_process_connects_anew_and_leaves_its_parents_connection_alone(address: str, loop: str) -> None:
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = [sys.executable, "-W", "ignore", "-c", FORKED, address, loop]
    subprocess.run(arguments, env=path, timeout=3 * PATIENCE, check=True)
