"""Metrics are read from services that run, and one that does not answer is named."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from skyline.demo.scrape import administration, scrape
from towpath import SetupError


@asynccontextmanager
async def answering(response: bytes) -> AsyncGenerator[str]:
    """The address of a server that answers each request so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_the_address_is_in_a_line_of_the_log() -> None:
    assert administration("2026-11-28 09:11:33,080 INFO towpath.app: airports answers probes on 127.0.0.1:42803") == "127.0.0.1:42803"
    assert administration("2026-11-28 09:11:33,080 INFO towpath.app: airports serves a.B on 127.0.0.1:42803") is None


def test_each_service_is_asked() -> None:
    async def main() -> dict[str, str]:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\na 1\n") as first, answering(b"HTTP/1.1 200 OK\r\n\r\nb 2\n") as second:
            return await scrape({"airports": first, "fleet": second})

    assert asyncio.run(main()) == {"airports": "a 1\n", "fleet": "b 2\n"}


def test_a_service_that_answers_otherwise_or_not_at_all_is_named() -> None:
    async def main() -> None:
        async with answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as address:
            with pytest.raises(
                SetupError, match=r"metrics of fleet cannot be read from .*: it answers 'HTTP/1\.1 503 Service Unavailable'"
            ):
                await scrape({"fleet": address})
        with pytest.raises(SetupError, match=r"metrics of fleet cannot be read from "):
            await scrape({"fleet": address})

    asyncio.run(main())
