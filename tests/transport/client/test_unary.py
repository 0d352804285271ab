"""What a unary call over any protocol tells of its endpoint, when a server gets the answer wrong."""

import asyncio

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE
from tests.transport.client.load_balancing.test_endpoint_guard import Box
from tests.transport.client.test_grpc_unary import GRPC, Script
from tests.transport.client.test_grpc_unary import OK as GRPC_OK
from tests.transport.client.test_stream import OK, PROTO, WEB, WEB_END, Protocol, answered, behaviour
from tests.transport.fleet import PATIENT
from tests.transport.raw_peer import raw_server
from towpath._core.errors import Code, RpcError
from towpath._core.outcome import Outcome
from towpath._transport import Channel, ChannelOptions
from towpath._wire.grpc.framing import frame

NO_MESSAGE = b"\xff"
"""Bytes that no message is read from."""


@pytest.mark.parametrize(
    ("protocol", "script"),
    [
        ("grpc", answered(*GRPC, body=(frame(NO_MESSAGE),), trailers=GRPC_OK)),
        ("connect", answered(OK, PROTO, body=(NO_MESSAGE,))),
        ("grpc-web", answered(OK, WEB, body=(frame(NO_MESSAGE) + WEB_END,))),
    ],
)
async def test_an_answer_that_cannot_be_decoded_is_a_failure_of_its_endpoint(protocol: Protocol, script: Script) -> None:
    box = Box()
    async with asyncio.timeout(PATIENCE), raw_server(behaviour(script, [])) as address:
        target = f"static:///{address},127.0.0.1:1"  # a sole endpoint would not be guarded
        async with Channel(target, options=ChannelOptions(protocol=protocol), guards=box) as channel:
            with pytest.raises(RpcError, match=r"the answer is not a echo\.v1\.SayResponse") as caught:
                await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            tallies = [endpoint.load.tally for endpoint in channel.pool.endpoints.values()]
    assert caught.value.code is Code.INTERNAL
    assert box.fuses[address].heard == [Outcome.FATAL]
    assert [(tally.successes, tally.failures) for tally in tallies] == [(0, 1), (0, 0)]
