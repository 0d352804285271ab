"""A request that is no message ends in one sentence, whichever way it was to go, and the channel serves the next call."""

from typing import Any

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import Echo, serving
from tests.stream_service import Streams
from towpath._transport import Channel, ChannelOptions

WRONG: Any = {"n": 1}


@pytest.mark.parametrize("protocol", ["grpc", "connect"])
async def test_a_dict_for_a_request_is_one_sentence(protocol: Any) -> None:
    async with serving(Echo()) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        echo = EchoServiceClient(channel)
        with pytest.raises(TypeError) as caught:
            await echo.say(WRONG)
        said = "a request of echo.v1.EchoService/Say is SayRequest, and not an object of dict"
        assert str(caught.value) == f"{said}; write SayRequest(...), with its fields as keyword arguments"
        assert (await echo.say(SayRequest(n=3))).n == 3


@pytest.mark.parametrize("protocol", ["grpc", "connect"])
async def test_a_dict_for_the_request_of_a_stream_is_one_sentence(protocol: Any) -> None:
    streams: Any = Streams()
    async with serving(streams) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        client = StreamServiceClient(channel)
        with pytest.raises(TypeError, match=r"a request of stream.v1.StreamService/Repeat is RepeatRequest, and not an object of dict"):
            assert [answer async for answer in client.repeat(WRONG)] == []
        async with client.collect() as call:
            with pytest.raises(TypeError, match=r"a request of stream.v1.StreamService/Collect is a message, and not an object of dict"):
                await call.send(WRONG)
