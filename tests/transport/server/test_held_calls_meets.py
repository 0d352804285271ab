"""Where calls that wait, are rejected or whose verdict fails meet the rest of a connection: the next request, a shutdown, an empty line."""

import asyncio
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, turn_until
from tests.transport.server.test_held_calls import PROTOCOLS, SAY, options, stage
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._core.early_rejection import Rejection
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, Server

WEB = "application/grpc-web+proto"
PATIENT = CallOptions(timeout=PATIENCE)


def request(body: bytes, content_type: str) -> bytes:
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        SAY.encode(),
        content_type.encode(),
        len(body),
        body,
    )


async def connected(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), None)
        return head + (await reader.readexactly(int(length)) if length is not None else await reader.readuntil(b"\r\n0\r\n\r\n"))


async def test_what_a_refused_call_did_not_take_keeps_no_later_request_from_being_read() -> None:
    async with stage(lambda _: Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room"))) as (_, _, server):
        reader, writer = await connected(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await answer(reader)
        (link,) = server.links
        body = b"\0" + (300_000).to_bytes(4, "big") + bytes(300_000)
        link.data_received(request(body, WEB))  # in one piece, as TLS may hand it over
        assert b"no room" in await answer(reader)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 404 ")
        writer.close()


@pytest.mark.parametrize("content_type", ["application/json", WEB])
async def test_a_verdict_that_raises_lets_the_call_in_and_ends_no_connection(content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Any) -> Any:
        raise OverflowError("a fault of a policy")

    async with stage(fail) as (keeper, echo, server):
        reader, writer = await connected(server)
        body = b"{}" if content_type == "application/json" else bytes(5)
        for _ in range(2):
            writer.write(request(body, content_type))
            assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        assert echo.seen["say"] == len(keeper.held) == 2
        assert caplog.text.count("a fault of a policy") >= 2
        writer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_call_that_is_held_when_its_server_shuts_down_hears_of_it(protocol: Any) -> None:
    async with stage() as (keeper, _, server), Channel(server.address, options=options(protocol)) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
        await turn_until(lambda: len(keeper.held) == 1)
        await server.close(0)
        with pytest.raises(RpcError) as caught:
            await call
        assert (caught.value.code, caught.value.message, caught.value.lost) == (Code.UNAVAILABLE, "the server is shutting down", False)


@pytest.mark.parametrize("content_type", ["application/json", WEB])
async def test_over_http1_too(content_type: str) -> None:
    async with stage() as (keeper, _, server):
        reader, writer = await connected(server)
        writer.write(request(b"{}" if content_type == "application/json" else bytes(5), content_type))
        await turn_until(lambda: len(keeper.held) == 1)
        closing = asyncio.create_task(server.close(0))
        async with asyncio.timeout(PATIENCE):
            assert b"shutting" in await reader.read()
        await closing
        writer.close()


async def test_an_empty_line_behind_a_request_is_no_head_that_has_begun() -> None:
    async with stage() as (keeper, _, server):
        reader, writer = await connected(server)
        writer.write(request(b"{}", "application/json"))
        await turn_until(lambda: len(keeper.held) == 1)
        (link,) = server.links
        link.data_received(b"\r\n")
        began = clock.now()
        for passed in (0, 100, 200):
            with clock.using(lambda passed=passed: began + passed):
                server.connections.expire()  # a look at all connections
        assert link.begun() is None
        keeper.held[0].begin()
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
        writer.close()
