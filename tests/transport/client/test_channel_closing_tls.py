"""Ending a channel over TLS: at once, also where the server never answers the end of the session."""

import asyncio
import ssl
from asyncio import constants
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import uvloop
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.conformance.grpcio_peer import GrpcioEcho
from tests.echo_service import PATIENCE, Echo
from tests.transport.test_tls import Authority, secured
from towpath._core.context import CallOptions
from towpath._transport import Channel, Server
from towpath._transport.client.endpoints import pool

PATIENT = CallOptions(timeout=PATIENCE)
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def _no_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would end a wait for the server is out of reach, so that a channel which waits for it stands."""
    monkeypatch.setattr(constants, "SSL_SHUTDOWN_TIMEOUT", 1e6)
    monkeypatch.setattr(pool, "_CLOSE_TIMEOUT", 1e6)


def run(loop: Any, work: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())


@asynccontextmanager
async def grpcio_server(authority: Authority) -> AsyncIterator[str]:
    certificate, key = authority.issue("server", "localhost")
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        GrpcioEcho().say, request_deserializer=pb.SayRequest.FromString, response_serializer=pb.SayResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.v1.EchoService", {"Say": handler}),))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())]))
    await server.start()
    try:
        yield f"localhost:{port}"
    finally:
        await server.stop(None)


@pytest.mark.usefixtures("_no_timeouts")
async def test_a_channel_to_grpcio_closes_at_once(authority: Authority) -> None:
    async with grpcio_server(authority) as target:
        async with Channel(target, tls=authority.trusted) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"), PATIENT)).id == "a"
        assert channel.pool.sole is None


@LOOPS
@pytest.mark.usefixtures("_no_timeouts")
def test_a_channel_closes_at_once_where_nobody_reads_any_more(authority: Authority, loop: Any) -> None:
    async def work() -> None:
        async with secured(authority.server()) as server, Channel(server.address, tls=authority.trusted) as channel:
            await EchoServiceClient(channel).say(pb.SayRequest(), PATIENT)
            for link in server.links:
                link.hold(1)  # the server is as one that hangs

    run(loop, work)


@LOOPS
def test_a_server_is_gone_after_close_whatever_its_clients_do(authority: Authority, loop: Any) -> None:
    async def work() -> None:
        server = Server([Echo()])
        await server.start(tls=authority.server("localhost"))
        context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(server.address.split(":")[1]), ssl=context, server_hostname="localhost"
        )
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        writer.transport.pause_reading()
        links = list(server.links)
        await server.close(0)
        async with asyncio.timeout(PATIENCE):  # asyncio itself would cut the connection after 30 s
            await asyncio.wait([link.closed for link in links])
        writer.transport.abort()

    run(loop, work)
