"""The same services over HTTP/1.1, on the port that also speaks HTTP/2; by clients that others wrote, and by one that misbehaves."""

import asyncio
import http.client
import json
import subprocess
from typing import Any

from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1 import stream_pb2 as pb

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.programs import needed
from tests.stream_service import Streams, answers
from towpath._core import clock
from towpath._transport import Channel, ConnectionLimits, Server
from towpath._transport.connection_driver import BUSY
from towpath._wire.grpc.framing import frame
from towpath._wire.json import JsonCodec

SAY = "/echo.v1.EchoService/Say"
JSON = {"Content-Type": "application/json"}


def requested(address: str, *requests: tuple[str, str, bytes, dict[str, str]]) -> list[tuple[int, bytes]]:
    """What Python's own client gets for each of the requests, over one connection."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    found = []
    for method, path, body, headers in requests:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found.append((response.status, response.read()))
    connection.close()
    return found


async def ask(server: Server, *requests: tuple[str, str, bytes, dict[str, str]]) -> list[tuple[int, bytes]]:
    return await asyncio.to_thread(requested, server.address, *requests)


async def test_one_port_serves_both_versions_of_http() -> None:
    async with serving(Echo()) as server, Channel(server.address) as channel:
        ((status, body),) = await ask(server, ("POST", SAY, b'{"id":"a","n":"7","tags":["x","y"]}', JSON))
        assert (status, json.loads(body)) == (200, {"id": "a", "n": "7", "text": "x,y"})
        response = await EchoServiceClient(channel).say(SayRequest(id="b"))
        assert response.id == "b"


async def test_a_connection_serves_one_request_after_the_other_whatever_their_end() -> None:
    async with serving(Echo()) as server:
        found = await ask(
            server,
            ("POST", SAY, b"{}", JSON),
            ("POST", SAY, b'{"id":1}', JSON),
            ("POST", "/echo.v1.EchoService/Shout", b"{}", JSON),
            ("POST", "/nobody/Say", b"{}", JSON),
            ("POST", SAY, b"{}", {"Content-Type": "text/html"}),
            ("PUT", SAY, b"{}", JSON),
            ("POST", SAY, b"{}", {"Content-Type": "application/grpc"}),
            ("POST", SAY, b"{}", {**JSON, "Connect-Timeout-Ms": "soon"}),
            ("POST", SAY, b"{}", {**JSON, "Content-Encoding": "br"}),
            ("GET", SAY + "?encoding=json&message=%7B%22id%22%3A%22q%22%7D", b"", {}),
            ("HEAD", "/", b"", {}),
        )
        assert [status for status, _ in found] == [200, 400, 404, 404, 415, 405, 505, 400, 501, 200, 404]
        assert json.loads(found[1][1]) == {
            "code": "invalid_argument",
            "message": "the request is not the JSON of a echo.v1.SayRequest: id: expected a string, found 1",
        }
        assert json.loads(found[9][1]) == {"id": "q"}


async def test_a_timeout_of_ten_digits_is_understood() -> None:
    async with serving(echo := Echo()) as server:
        ((status, _),) = await ask(server, ("POST", SAY, b"{}", {**JSON, "Connect-Timeout-Ms": "9999999999"}))
        assert status == 200
        remaining = echo.contexts[-1].remaining()
        assert remaining is not None
        assert 9_000_000 < remaining < 10_000_000


async def test_curl_reads_a_stream_of_json() -> None:
    envelope = frame(b'{"answers":[{"size":1},{"size":2}]}')
    async with serving(Streams()) as server:
        url = f"http://{server.address}/stream.v1.StreamService/Repeat"
        command = [needed("curl"), "-sS", "--data-binary", "@-", "-H", "Content-Type: application/connect+json", url]
        done = await asyncio.to_thread(subprocess.run, command, input=envelope, capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout == frame(b'{"payload":"AA=="}') + frame(b'{"index":"1","payload":"AAA="}') + b"\x02" + frame(b"{}")[1:]


async def raw(server: Server, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    return reader, writer


def posted(path: str, content_type: str, body: bytes, *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_a_client_that_goes_away_cancels_its_call() -> None:
    async with serving(echo := Echo()) as server:
        body = b'{"seconds":%d}' % FOREVER
        _, writer = await raw(server, posted("/echo.v1.EchoService/Sleep", "application/json", body))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        writer.close()
        await echo.until(lambda: echo.seen["cancelled"] == 1)


async def test_a_client_that_does_not_read_holds_the_handler_back() -> None:
    request = JsonCodec().encode(pb.RepeatRequest(answers=answers([100_000] * 200)))
    async with serving(streams := Streams()) as server:
        reader, writer = await raw(server, posted("/stream.v1.StreamService/Repeat", "application/connect+json", frame(request)))
        await turn_until(lambda: any(link.paused for link in server.links))
        sent = streams.seen["sent"]
        assert sent < 200
        async with asyncio.timeout(PATIENCE):
            text = b""
            while b"\x02\x00\x00\x00\x02{}" not in text:
                text = text[-100:] + await reader.read(1 << 20)
        assert streams.seen["sent"] == 200
        writer.close()


async def test_a_handler_that_does_not_read_holds_the_client_back() -> None:
    class Deaf(Streams):
        async def collect(self, requests: Any, ctx: Any) -> pb.CollectResponse:
            await self._note("deaf")
            await self.release.wait()
            return await super().collect(requests, ctx)

    body = frame(JsonCodec().encode(pb.CollectRequest(payload=bytes(1000)))) * 5000
    async with serving(deaf := Deaf()) as server:
        reader, writer = await raw(
            server, posted("/stream.v1.StreamService/Collect", "application/connect+json", body, "Connection: close")
        )
        await deaf.until(lambda: deaf.seen["deaf"] == 1)
        (link,) = server.links
        await turn_until(lambda: link.holds & BUSY)
        assert link.connection.unread < 1 << 20
        deaf.release.set()
        async with asyncio.timeout(PATIENCE):
            text = await reader.read()
        assert b'{"count":"5000","size":"5000000"}' in text
        writer.close()


async def test_a_server_that_closes_answers_what_is_under_way() -> None:
    async with serving(echo := Echo(), grace=PATIENCE) as server:
        reader, writer = await raw(server, posted("/echo.v1.EchoService/Sleep", "application/json", b'{"seconds":%d}' % FOREVER))
        idle, idle_writer = await raw(server, posted(SAY, "application/json", b"{}"))
        assert b"200" in await idle.readline()
        await echo.until(lambda: echo.seen["sleep"] == 1)
        closing = asyncio.ensure_future(server.close(PATIENCE))
        async with asyncio.timeout(PATIENCE):
            assert (await idle.read()).endswith(b"{}")
            echo.release.set()
            assert b"HTTP/1.1 200 OK" in await reader.read()
            await closing
        for one in (writer, idle_writer):
            one.close()


async def test_a_deadline_cuts_a_response_that_nobody_reads() -> None:
    request = JsonCodec().encode(pb.RepeatRequest(answers=answers([1]), forever=True))
    async with serving(streams := Streams()) as server:
        target = "/stream.v1.StreamService/Repeat"
        reader, writer = await raw(server, posted(target, "application/connect+json", frame(request), "Connect-Timeout-Ms: 100"))
        async with asyncio.timeout(PATIENCE):
            assert b'"deadline_exceeded"' in await reader.readuntil(b"0\r\n\r\n")
        await streams.until(lambda: streams.seen["ended"] == 1)
        writer.close()


async def test_a_call_is_not_ended_for_the_head_that_comes_behind_it() -> None:
    async with serving(echo := Echo()) as server:
        body = b'{"seconds":1000}'
        request = b"POST /echo.v1.EchoService/Sleep HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        reader, writer = await raw(server, request % len(body) + body + b"GET / HTTP/1.1\r\nHost: x\r\n")
        await echo.until(lambda: echo.seen["sleep"] == 1)
        began = clock.now()
        for passed in (0, 100, 200):
            with clock.using(lambda passed=passed: began + passed):
                server.connections.expire()  # a look at all connections
        echo.release.set()
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_a_call_is_not_ended_for_the_malformed_request_that_comes_behind_it() -> None:
    async with serving(echo := Echo()) as server:
        reader, writer = await raw(
            server, posted("/echo.v1.EchoService/Sleep", "application/json", b'{"seconds":1000}') + b"nonsense\r\n\r\n"
        )
        await echo.until(lambda: echo.seen["sleep"] == 1)
        echo.release.set()
        async with asyncio.timeout(PATIENCE):
            answers = await reader.read()
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert answers.count(b"HTTP/1.1 400 ") == 1
        writer.close()


async def test_a_head_that_never_ends_is_given_up() -> None:
    async with serving(Echo(), connections=ConnectionLimits(head_timeout=0.05)) as server:
        reader, writer = await raw(server, b"GET / HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()
