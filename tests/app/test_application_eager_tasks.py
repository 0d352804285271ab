"""Tasks that begin at once, as `asyncio.eager_task_factory` of Python 3.12 makes them: calls of every kind, on both sides."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Code, RpcError, background_task, connect
from towpath._telemetry.metrics import CallMetrics
from towpath.settings import ServiceConfig

EAGER: Any = getattr(asyncio, "eager_task_factory", None)
PATIENT = CallOptions(timeout=PATIENCE)


async def requests() -> AsyncIterator[stream_pb2.ConverseRequest]:
    for size in range(3):
        yield stream_pb2.ConverseRequest(answers=answers([size]))


@pytest.mark.skipif(EAGER is None, reason="Python 3.12 has eager tasks first")
@pytest.mark.parametrize("admission", ["on", "off"])
async def test_calls_of_every_kind_end_as_with_other_tasks(admission: Any) -> None:
    asyncio.get_running_loop().set_task_factory(EAGER)
    echo, streams = Echo(), Streams()
    async with App(ServiceConfig(admission=admission)) as app:
        app.add(echo, streams)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client, streaming = EchoServiceClient(channel), StreamServiceClient(channel)
            for _ in range(2):
                found = await asyncio.gather(*(client.say(pb.SayRequest(n=n), PATIENT) for n in range(100)))
                assert [response.n for response in found] == list(range(100))
            sleeping = [asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT)) for _ in range(100)]
            await echo.until(lambda: echo.seen["sleep"] == 100)
            sleeping[0].cancel()
            await echo.until(lambda: echo.seen["cancelled"] == 1)
            echo.release.set()
            await asyncio.gather(*sleeping[1:])
            call = streaming.repeat(stream_pb2.RepeatRequest(answers=answers([1, 2])), PATIENT)
            assert [len(response.payload) async for response in call] == [1, 2]
            assert [len(response.payload) async for response in streaming.converse(requests(), PATIENT)] == [0, 1, 2]
            assert (await streaming.collect([stream_pb2.CollectRequest(payload=b"x")], PATIENT)).size == 1
            with pytest.raises(RpcError) as caught:
                await anext(streaming.repeat(stream_pb2.RepeatRequest(forever=True), CallOptions(timeout=0.2)))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            assert await background_task(asyncio.sleep(0, 7)) == 7
