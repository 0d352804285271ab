"""A client that connects anew forgets what was rejected before: an outage ends with its cause."""

from collections import Counter

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient

from tests.echo_service import Echo
from towpath import CallOptions, connect
from towpath._core.decisions import ADMISSION, Decision, rejection
from towpath._core.errors import Code, RpcError
from towpath._layers.throttle import TOO_FEW_ACCEPTED
from towpath._transport import ChannelOptions, Server
from towpath.telemetry import CallMetrics


class Overloaded(Echo):
    async def say(self, request, ctx):
        raise rejection(Code.RESOURCE_EXHAUSTED, SAY, role=ADMISSION, reason="QUEUE_FULL", why="overloaded", pushback=-1.0)


@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_a_server_that_is_another_process_now_gets_all_calls(protocol, port):
    told = Counter[str]()

    def count(decision: Decision) -> None:
        told[decision.reason] += 1

    before, after = Server([Overloaded()]), Server([Echo()])
    await before.start("127.0.0.1", port)
    options = CallOptions(timeout=60)
    async with connect(f"127.0.0.1:{port}", metrics=CallMetrics(), options=ChannelOptions(protocol=protocol), on_decision=count) as channel:
        client = EchoServiceClient(channel)
        for _ in range(200):
            with pytest.raises(RpcError):
                await client.say(pb.SayRequest(), options)
        assert told[TOO_FEW_ACCEPTED] > 50
        await before.close(0)
        await after.start("127.0.0.1", port)
        answered = False
        while not answered:  # the first call that is sent makes the connection, and one is sent in each second
            try:
                await client.say(pb.SayRequest(), options)
                answered = True
            except RpcError as error:
                assert error.code is Code.UNAVAILABLE
        told.clear()
        for _ in range(50):
            await client.say(pb.SayRequest(), options)
        assert not told[TOO_FEW_ACCEPTED]
    await after.close(0)
