"""Clients whose answer comes while they still send, and clients that have closed their half of the connection, on both loops."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from echo.v1 import echo_pb2 as pb
from stream.v1 import stream_pb2 as stream

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.stream_service import Streams, answers
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._transport import Server, ServerTls
from towpath._transport.server.connections import connection as server_connection
from towpath._transport.server.connections import http1_connection
from towpath._wire.grpc.framing import frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, Setting

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
Loop = Callable[[], asyncio.AbstractEventLoop]

SAY = "/echo.v1.EchoService/Say"
SLEEP = "/echo.v1.EchoService/Sleep"
LARGE = 20_000_000
"""Bytes of a body that no buffers of sockets hold."""


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gives its clients the time that they take on a busy machine."""
    for name in ("_LINGER", "_LAST_WORDS", "_LAST_WORDS_SECURED", "_HALF_CLOSED"):
        monkeypatch.setattr(http1_connection, name, 1e6)
    monkeypatch.setattr(server_connection, "_HALF_CLOSED", 1e6)


def run(loop: Loop, test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test)


def post(path: str, body: bytes, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


async def opened(server: Server, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    return reader, writer


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await reader.read()


def uploaded(address: str, path: str, content_type: str, context: ssl.SSLContext | None = None) -> int:
    """The status that Python's own client gets, which reads nothing before it has sent all."""
    if context is None:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    else:
        connection = http.client.HTTPSConnection(address, timeout=PATIENCE, context=context)
    connection.request("POST", path, bytes(LARGE), {"Content-Type": content_type})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


@LOOPS
@pytest.mark.usefixtures("_patient")
def test_an_upload_that_is_refused_early_gets_its_answer(loop: Loop, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def test() -> None:
        async with serving(Echo()) as plain:
            secure = Server([Echo()])
            await secure.start("127.0.0.1", 0, tls=ServerTls(certificate=certificate, key=key))
            for address, trust in ((plain.address, None), (secure.address, context)):
                for path, content_type, status in (
                    ("/nowhere", "application/json", 404),
                    (SAY, "text/html", 415),
                    (SAY, "application/json", 429),  # Connect's status for a message that is too large
                ):
                    assert await asyncio.to_thread(uploaded, address, path, content_type, trust) == status
            await secure.close(0)

    run(loop, test())


@LOOPS
@pytest.mark.usefixtures("_patient")
def test_a_malformed_request_with_much_behind_it_gets_its_answer(loop: Loop) -> None:
    def sent(address: str) -> bytes:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), PATIENCE) as client:
            client.sendall(b"nonsense\r\n\r\n" + bytes(LARGE))
            return client.makefile("rb").read()

    async def test() -> None:
        async with serving(Echo()) as server:
            assert (await asyncio.to_thread(sent, server.address)).startswith(b"HTTP/1.1 400 ")

    run(loop, test())


async def test_a_client_that_goes_on_for_too_long_after_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_connection, "_LINGER", 0.0)
    monkeypatch.setattr(http1_connection, "_LAST_WORDS", 0.0)
    async with serving(Echo()) as server:
        for data in (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"nonsense\r\n\r\n"):
            reader, writer = await opened(server, data)
            assert (await read_all(reader)).startswith(b"HTTP/1.1 4")
            await turn_until(lambda: not server.links)
            writer.close()


async def test_a_client_behind_tls_that_sends_no_request_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1_connection, "_LAST_WORDS_SECURED", 0.0)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    server = Server([Echo()])
    await server.start("127.0.0.1", 0, tls=ServerTls(certificate=certificate, key=key))
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(b"nonsense\r\n\r\n")
    assert (await read_all(reader)).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await server.close(0)


@LOOPS
@pytest.mark.usefixtures("_patient")
def test_a_client_of_http1_that_has_closed_its_half_is_answered(loop: Loop) -> None:
    async def test() -> None:
        async with serving(echo := Echo()) as server:
            reader, writer = await opened(server, post(SAY, b'{"id":"a"}') + post(SLEEP, b'{"seconds":%d}' % FOREVER))
            writer.write_eof()
            await echo.until(lambda: echo.seen["sleep"] == 1)
            await turn_until(lambda: all(link.connection.waiting for link in server.links))
            echo.release.set()
            text = await read_all(reader)
            assert text.count(b"HTTP/1.1 200 OK") == 2
            assert echo.seen["cancelled"] == 0
            writer.close()
            for data in (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", post(SAY, b"{}")):
                reader, writer = await opened(server, data)
                writer.write_eof()
                assert (await read_all(reader)).startswith(b"HTTP/1.1 ")
                writer.close()

    run(loop, test())


@LOOPS
@pytest.mark.usefixtures("_patient")
def test_a_stream_goes_on_for_a_client_of_http1_that_has_closed_its_half(loop: Loop) -> None:
    async def test() -> None:
        async with serving(Streams()) as server:
            body = frame(b'{"answers":[{"size":1},{"size":2}]}')
            head = b"POST /stream.v1.StreamService/Repeat HTTP/1.1\r\nHost: x\r\nContent-Type: application/connect+json\r\n"
            reader, writer = await opened(server, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            writer.write_eof()
            assert (await read_all(reader)).endswith(b"0\r\n\r\n")
            writer.close()

    run(loop, test())


async def half_closed(peer: RawPeer, *calls: tuple[int, bytes, bytes]) -> None:
    for stream_id, method, message in calls:
        peer.call(stream_id, method, message)
    peer.writer.write_eof()


@LOOPS
@pytest.mark.usefixtures("_patient")
def test_a_client_of_http2_that_has_closed_its_half_is_answered(loop: Loop) -> None:
    async def test() -> None:
        sleep = pb.SleepRequest(seconds=FOREVER).SerializeToString()
        async with serving(echo := Echo()) as server:
            async with raw_client(server.address) as peer:
                peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"Say"))  # whose message never comes
                peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 3, request_head(b"Say", (b":path", b"/nowhere")))
                await half_closed(peer, (5, b"Sleep", sleep), (7, b"Say", b""))
                assert peer.fields(await peer.until(frames.HEADERS, 3))[b":status"]
                assert peer.fields(await peer.until(frames.HEADERS, 7))[b":status"] == b"200"
                assert peer.fields(await peer.until(frames.HEADERS, 7))[b"grpc-status"] == b"0"
                await echo.until(lambda: echo.seen["sleep"] == 1)
                (link,) = server.links
                await turn_until(lambda: 1 not in link.connection.streams)
                echo.release.set()
                assert peer.fields(await peer.until(frames.HEADERS, 5))[b":status"] == b"200"
                await peer.closed()
            await turn_until(lambda: not server.links)

    run(loop, test())


@LOOPS
def test_a_client_of_http2_that_is_gone_cancels_its_calls(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath._transport.server.connections.http2_connection._PROBE_INTERVAL", 0.01)

    async def test() -> None:
        sleep = pb.SleepRequest(seconds=FOREVER).SerializeToString()
        async with serving(echo := Echo()) as server:
            async with raw_client(server.address) as peer:
                peer.call(1, b"Sleep", sleep, (b"grpc-timeout", b"1H"))
                await echo.until(lambda: echo.seen["sleep"] == 1)
                await peer.until_silent_with(b"all read")
            await echo.until(lambda: echo.seen["cancelled"] == 1)
            await turn_until(lambda: not server.links)

    run(loop, test())


async def test_a_client_that_has_closed_its_half_is_not_answered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "_HALF_CLOSED", 0.0)
    async with serving(echo := Echo()) as server:
        _, writer = await opened(server, post(SLEEP, b'{"seconds":%d}' % FOREVER, "Connect-Timeout-Ms: 1000000"))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        writer.write_eof()
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        writer.close()


async def test_an_answer_too_large_for_the_window_of_a_client_that_has_closed_its_half_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_connection, "_HALF_CLOSED", 0.0)
    request = stream.RepeatRequest(answers=answers([1000]), forever=True).SerializeToString()
    async with serving(streams := Streams()) as server:
        async with raw_client(server.address, [(Setting.INITIAL_WINDOW_SIZE, 10)]) as peer:
            peer.call(1, b"", request, (b":path", b"/stream.v1.StreamService/Repeat"))
            peer.writer.write_eof()
            await streams.until(lambda: streams.seen["ended"] == 1)
        await turn_until(lambda: not server.links)
