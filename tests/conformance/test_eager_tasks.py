"""A loop whose tasks begin at once, before whoever makes them goes on: `asyncio.eager_task_factory`, since Python 3.12."""

import asyncio
import sys
from typing import Literal

import pytest
from echo.v1 import echo_pb2
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2 as pb
from stream.v1.stream_towpath import StreamServiceClient

from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo
from tests.stream_service import Streams, answers
from towpath import App, connect
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import ChannelOptions
from towpath.settings import ServiceConfig

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")

PATIENT = CallOptions(timeout=PATIENCE)


@pytest.mark.parametrize("admission", ["off", "on"])
@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_calls_of_every_kind_and_end(admission: Literal["off", "on"], protocol: str) -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined] # since Python 3.12
    echo = Echo()
    async with App(ServiceConfig(admission=admission)) as app:
        app.add(echo)
        app.add(Streams())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, options=ChannelOptions(protocol=protocol)) as channel:
            client, streams = EchoServiceClient(channel), StreamServiceClient(channel)
            together = await asyncio.gather(*(client.say(echo_pb2.SayRequest(n=n), PATIENT) for n in range(50)))
            assert [answer.n for answer in together] == list(range(50))
            repeated = [answer.index async for answer in streams.repeat(pb.RepeatRequest(answers=answers([1] * 5)), PATIENT)]
            assert repeated == list(range(5))
            assert (await streams.collect([pb.CollectRequest(payload=b"a")] * 5, PATIENT)).count == 5
            async with streams.converse(options=PATIENT) as call:
                for index in range(3):
                    await call.send(pb.ConverseRequest(answers=answers([10])))
                    assert (await anext(call)).index == index
                await call.half_close()
                assert [answer async for answer in call] == []
            with pytest.raises(RpcError) as caught:
                await client.fail(echo_pb2.FailRequest(code=Code.NOT_FOUND), PATIENT)
            assert caught.value.code is Code.NOT_FOUND
            waiting = asyncio.create_task(client.sleep(echo_pb2.SleepRequest(seconds=FOREVER), PATIENT))
            await echo.until(lambda: echo.seen["sleep"] == 1)
            waiting.cancel()
            await echo.until(lambda: echo.seen["cancelled"] == 1)
            await asyncio.wait([waiting])

            async def attempt(seconds: float) -> None:
                with pytest.raises(RpcError) as caught:
                    await client.sleep(echo_pb2.SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))
                assert caught.value.code is Code.DEADLINE_EXCEEDED

            await missed(attempt, lambda: echo.seen["sleep"] > 1)
            await echo.until(lambda: echo.seen["cancelled"] == echo.seen["sleep"])
