"""Requests to a mounted application, over both versions of HTTP: what it is told, what its client gets, and who waits for whom."""

import asyncio
import logging
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

import towpath
from tests.asgi_apps import VERSIONS, answer, counted, curl, dialled, mounting, only_http
from tests.echo_service import Echo
from tests.transport.raw_peer import raw_client
from towpath import App, Code, RpcError
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.errors import locate
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

MIB = 1024 * 1024
GET_ADMIN = b"".join(
    literal(name, value) for name, value in ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/admin"), (b":authority", b"x"))
)


@only_http
async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send({"type": "http.response.body", "body": event["body"], "more_body": more})


@only_http
async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await answer(send)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_scope_tells_the_request(version: str) -> None:
    seen: list[Any] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await answer(send, headers=[(b"X-Answer", b"yes"), (b"connection", b"close"), (b"transfer-encoding", b"chunked")])

    async with mounting(app) as server:
        status, headers, _ = await curl(server, "/admin/caf%C3%A9?a=%20b", version, "-H", "X-Own: 1", "-b", "a=1; b=2")
        host, _, port = server.address.rpartition(":")
    assert (status, headers["x-answer"]) == (200, "yes")
    assert "transfer-encoding" not in headers
    (scope,) = seen
    assert {
        key: scope[key] for key in ("type", "method", "path", "raw_path", "query_string", "root_path", "scheme", "server", "state")
    } == {
        "type": "http",
        "method": "GET",
        "path": "/admin/café",
        "raw_path": b"/admin/caf%C3%A9",
        "query_string": b"a=%20b",
        "root_path": "/admin",
        "scheme": "http",
        "server": (host, int(port)),
        "state": {},
    }
    assert scope["http_version"] == {"--http1.1": "1.1"}.get(version, "2")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["client"][0] == "127.0.0.1"
    names = [name for name, _ in scope["headers"]]
    assert (b"host", server.address.encode()) in scope["headers"] or (b"host", f"{host}:{port}".encode()) in scope["headers"]
    assert (b"x-own", b"1") in scope["headers"]
    assert (b"cookie", b"a=1; b=2") in scope["headers"]
    assert names.count(b"host") == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_bodies_pass_both_ways_in_pieces(version: str, tmp_path: Any) -> None:
    body = bytes(range(256)) * 4096 * 12
    (tmp_path / "body").write_bytes(body)
    async with mounting(echo, max_body=None) as server:
        status, _, back = await curl(server, "/admin/echo", version, "--data-binary", f"@{tmp_path / 'body'}", "-H", "Expect: 100-continue")
    assert (status, back == body) == (200, True)


@pytest.mark.parametrize("version", [*VERSIONS, "--http1.0"])
async def test_each_kind_of_response_is_framed(version: str) -> None:
    async def pieces(send: Any, headers: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"ab", b"", b"cd"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/admin/whole":
                await answer(send, bytearray(b"abcd"), headers=[(b"content-length", b"4")])
            case "/admin/unsized":
                await answer(send, b"abcd")
            case "/admin/pieces":
                await pieces(send, [])
            case "/admin/sized":
                await pieces(send, [(b"content-length", b"4")])
            case "/admin/none":
                await answer(send, b"dropped", 204, [(b"content-length", b"7")])
            case _:
                await answer(send, b"", 304, [(b"content-length", b"7"), (b"etag", b'"1"')])

    async with mounting(app) as server:
        for path in ("whole", "unsized", "pieces", "sized"):
            assert (await curl(server, f"/admin/{path}", version))[2] == b"abcd"
        assert (await curl(server, "/admin/none", version))[::2] == (204, b"")
        status, headers, body = await curl(server, "/admin/unchanged", version)
        assert (status, headers["etag"], body) == (304, '"1"', b"")
        for path in ("whole", "sized"):
            status, headers, body = await curl(server, f"/admin/{path}", version, "--head")
            assert (status, headers["content-length"], body) == (200, "4", b"")
        assert (await curl(server, "/admin/pieces", version, "--head"))[2] == b""


async def test_a_connection_serves_one_request_after_the_other() -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body += event["body"]
            more = event["more_body"]
        await answer(send, body)

    async with mounting(app) as server, dialled(server) as (reader, writer):
        writer.write(b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" * 3)
        for _ in range(3):
            assert (await reader.readuntil(b"\r\n\r\n")) == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
            assert await reader.readexactly(3) == b"abc"


async def test_a_head_goes_before_the_body_is_there() -> None:
    """A page that waits for events sees that the stream is open."""
    go_on = asyncio.Event()

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"event"})

    async with mounting(app) as server:
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            go_on.set()
            assert await reader.readuntil(b"0\r\n\r\n") == b"5\r\nevent\r\n0\r\n\r\n"
        go_on.clear()
        async with raw_client(server.address) as peer:
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, GET_ADMIN)
            assert peer.fields(await peer.until(frames.HEADERS)) == {b":status": b"200"}
            go_on.set()
            while (frame := await peer.until(frames.DATA))[3] == b"":
                pass
            assert frame[3] == b"event"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_bug_is_answered_with_500_and_logged(version: str, caplog: pytest.LogCaptureFixture) -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("secret")

    async with mounting(app) as server:
        status, _, body = await curl(server, "/admin", version)
        assert counted(server, "INTERNAL") == 1
    assert status == 500
    assert b"secret" not in body
    (record,) = [record for record in caplog.records if record.name == "towpath.server"]
    assert record.getMessage().startswith("mount/admin failed, request id ")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "secret"


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "returned before its response had ended"),
        ([{"type": "http.response.body", "body": b"x"}, {"type": "http.response.body", "body": b"y"}], "has ended"),
        ([{"type": "http.response.start", "status": 200}], "has begun already"),
        ([{"type": "websocket.accept"}], "is no event of a response"),
        ([{"type": "http.response.body", "body": 3.5}], "float"),
    ],
)
async def test_an_application_that_breaks_the_rules_is_told(
    begun: bool, events: list[dict[str, Any]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        if begun:
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        for event in events:
            await send(event)

    async with mounting(app) as server, dialled(server) as (reader, writer):
        writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = await reader.read()
    (record,) = [record for record in caplog.records if record.name == "towpath.server"]
    assert record.exc_info is not None
    assert reason in str(record.exc_info[1])
    whole = reason == "has ended"
    assert got.startswith(b"HTTP/1.1 200" if begun or whole else b"HTTP/1.1 500")
    assert got.endswith(b"0\r\n\r\n") == (begun and whole)


@pytest.mark.parametrize(
    ("status", "headers", "bodies", "reason"),
    [
        (200, [(b"content-length", b"3")], [b"abcd"], "not of the 3 bytes"),
        (200, [(b"content-length", b"5")], [b"abcd"], "not of the 5 bytes"),
        (200, [(b"content-length", b"x")], [b"abcd"], "give one number of bytes"),
        (200, [(b"x-a", b"1\r\nx-b: 2")], [b""], "has a forbidden character"),
        (200, [(b"x a", b"1")], [b""], "has a forbidden character"),
        (99, [], [b""], "status is 99"),
        ("200", [], [b""], "status is '200'"),
        (101, [], [b""], "status is 101"),
    ],
)
async def test_a_head_that_http_cannot_carry_is_a_bug(
    status: Any, headers: Any, bodies: list[bytes], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for body in bodies:
            await send({"type": "http.response.body", "body": body})

    async with mounting(app) as server:
        assert (await curl(server, "/admin"))[0] == 500
    assert reason in "".join(str(record.exc_info[1]) for record in caplog.records if record.exc_info)


async def test_the_status_is_what_the_metrics_count() -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"", int(scope["path"].rpartition("/")[2]))

    async with mounting(app) as server:
        for status in (200, 302, 404, 418, 500, 503, 599):
            assert (await curl(server, f"/admin/{status}"))[0] == status
        assert counted(server, "OK") == 2
        assert [counted(server, code) for code in ("NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL", "UNAVAILABLE")] == [1, 1, 2, 1]


async def test_a_call_inside_inherits_deadline_tenant_and_trace() -> None:
    async with App() as behind:
        behind.add(Echo())
        await behind.start("127.0.0.1", 0)
        async with App(ServiceConfig(targets={"echo": behind.address})) as server:

            @only_http
            async def app(scope: Any, receive: Any, send: Any) -> None:
                client = EchoServiceClient(server.channel("echo"))
                seen = await client.inspect(pb.InspectRequest())
                ctx = towpath.current()
                assert ctx is not None
                assert ctx.method == "mount/admin"
                await answer(send, f"{seen.tenant} {seen.trace_id} {0 < seen.remaining <= 7200}".encode())

            server.mount("/admin", app)
            await server.start("127.0.0.1", 0)
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            _, _, body = await curl(
                server,
                "/admin",
                *("-H", "grpc-timeout: 2H", "-H", "towpath-tenant: acme", "-H", f"traceparent: 00-{trace}-00f067aa0ba902b7-01"),
            )
    assert body.decode() == f"acme {trace} True"


async def test_a_failed_call_inside_is_answered_with_its_code(caplog: pytest.LogCaptureFixture) -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/admin/late":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        error = RpcError(Code.UNAVAILABLE, "the stock is away")
        locate(error, "stock.v1.StockService/Take", "dns:///stock:8081", "10.0.0.5:8081")  # as a client's call that it made
        raise error

    async with mounting(app) as server:
        status, _, body = await curl(server, "/admin")
        assert (status, body) == (503, b"UNAVAILABLE: the stock is away\n")
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /admin/late HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.read()).endswith(b"4\r\npart\r\n")  # and no end of the chunks
        async with dialled(server) as (reader, writer):
            writer.write(b"GET /admin/late HTTP/1.0\r\n\r\n")  # as nginx asks by default; there are no chunks
            with pytest.raises(ConnectionResetError):
                await reader.read()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_body_beyond_the_limit_is_refused(version: str, tmp_path: Any) -> None:
    (tmp_path / "body").write_bytes(bytes(100))
    data = ("--data-binary", f"@{tmp_path / 'body'}")
    started: list[str] = []

    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        started.append(scope["path"])
        await echo(scope, receive, send)

    async with mounting(app, max_body=99) as server:
        status, _, body = await curl(server, "/admin/said", version, *data)
        assert (status, body) == (413, b"RESOURCE_EXHAUSTED: the request's body is larger than the limit of 99 bytes\n")
        assert not started
        if version == "--http1.1":
            assert (await curl(server, "/admin/chunked", version, *data, "-H", "Transfer-Encoding: chunked"))[0] == 413
        assert (await curl(server, "/admin", version, "-d", "x" * 99))[2] == b"x" * 99
    async with mounting(app, max_body=100) as server:
        assert (await curl(server, "/admin", version, *data))[2] == bytes(100)
    async with mounting(app, config=ServiceConfig(message_limit=50)) as server:
        assert (await curl(server, "/admin", version, *data))[0] == 413


async def test_a_websocket_is_refused_in_words() -> None:
    async with mounting(nothing) as server:
        fields = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==", "Sec-WebSocket-Version: 13")
        status, _, body = await curl(server, "/admin", *(part for field in fields for part in ("-H", field)))
    assert (status, body) == (501, b"WebSocket is not served here\n")


async def test_an_application_may_be_asked_what_it_allows() -> None:
    @only_http
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["method"].encode())

    async with mounting(app) as server:
        for method in ("OPTIONS", "PATCH", "PURGE"):
            assert (await curl(server, "/admin", "-X", method))[2] == method.encode()
