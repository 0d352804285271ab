"""Errors whose message cannot be sent as it is: they keep their code, which is what a caller acts upon."""

import asyncio
from typing import Any

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryServiceClient

from tests.echo_service import serving
from tests.transport.server.test_call import PATIENT, Troubled, asked, raising
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
@pytest.mark.parametrize("message", ["x" * 5_000_000, "\udcff"])
async def test_a_message_that_cannot_be_sent_as_it_is_does_not_cost_the_code(message: str, protocol: Any) -> None:
    async with (
        serving(Troubled(raising(RpcError(Code.NOT_FOUND, message)))) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        with pytest.raises(RpcError) as caught:
            await LibraryServiceClient(channel).get_book(pb.GetBookRequest(name="trouble"), PATIENT)
        assert caught.value.code is Code.NOT_FOUND
        assert 0 < len(caught.value.message) <= 16 * 1024
        with pytest.raises(RpcError) as caught:
            await anext(LibraryServiceClient(channel).read_pages(pb.ReadPagesRequest(), PATIENT))
        assert caught.value.code is Code.NOT_FOUND
        status, _ = (await asyncio.to_thread(asked, server.address))[2]
        assert status == 404


async def test_an_error_without_its_addresses_still_says_when_to_try_again() -> None:
    error = RpcError(Code.UNAVAILABLE, "cannot connect to 10.0.0.5:8081")
    error.outward, error.pushback = "a server that this call needs cannot be reached", -1.0
    async with serving(Troubled(raising(error))) as server, Channel(server.address) as channel:
        client = LibraryServiceClient(channel)
        with pytest.raises(RpcError, match="a server that this call needs") as caught:
            await client.get_book(pb.GetBookRequest(name="trouble"), PATIENT)
        assert caught.value.pushback == -1.0
        with pytest.raises(RpcError, match="a server that this call needs") as caught:
            await anext(client.read_pages(pb.ReadPagesRequest(), PATIENT))
        assert caught.value.pushback == -1.0
