"""The first bytes of a connection."""

import asyncio

import pytest

from tests.echo_service import PATIENCE, Echo, serving, turn_until
from towpath._transport import ConnectionLimits, Server
from towpath._wire.http2.frames import PREFACE, SETTINGS, frame


async def opened(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.split(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_preface_may_come_byte_by_byte() -> None:
    async with serving(Echo()) as server:
        reader, writer = await opened(server)
        for byte in PREFACE + frame(SETTINGS, 0, 0):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readexactly(9))[3] == SETTINGS
        writer.close()


@pytest.mark.parametrize("text", [b"PUT / HTTP/1.1\r\n\r\n", b"PRO", b"\x16\x03\x01\x02\x00\x01\x00", b"nonsense\r\n\r\n"])
async def test_what_is_no_preface_is_read_as_http1(text: bytes) -> None:
    async with serving(Echo()) as server:
        reader, writer = await opened(server)
        writer.write(text)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=0.05)) as server:
        reader, writer = await opened(server)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_goes_without_a_word_leaves_nothing() -> None:
    async with serving(Echo()) as server:
        _, writer = await opened(server)
        writer.write(b"P")
        await turn_until(lambda: server.connections.newcomers)
        writer.close()
        await turn_until(lambda: not server.connections.newcomers)


async def test_a_server_that_closes_does_not_wait_for_who_says_nothing() -> None:
    async with serving(Echo()) as server:
        _, writer = await opened(server)
        await turn_until(lambda: server.connections.newcomers)
        async with asyncio.timeout(PATIENCE):
            await server.close(PATIENCE * 10)
        writer.close()
