"""Pages of other origins: what they are told in every protocol, over HTTP/1.1 and HTTP/2, however a request ends."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Final

import pytest

from tests.echo_service import Echo
from tests.library_service import Library
from tests.programs import needed
from tests.stream_service import Streams
from tests.transport.raw_peer import RawPeer, raw_client, request_head
from towpath._core.context import Context
from towpath._core.early_rejection import Rejection
from towpath._core.errors import Code, RpcError
from towpath._core.service import Handler, MethodSpec
from towpath._transport import Server
from towpath._transport.server.routes import Document
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM
from towpath.settings import CorsOptions

SHOP: Final = "https://shop.example"
CORS: Final = CorsOptions(origins=(SHOP,), headers=("authorization",))
JSON: Final = "application/json"
WEB: Final = "application/grpc-web+proto"

REQUESTS: Final[dict[str, tuple[str, str, str, bytes, int]]] = {
    "rest": ("GET", "/v1/shelves/1/books/2", "", b"", 200),
    "rest error": ("GET", "/v1/shelves/1/books/missing", "", b"", 404),
    "rest unknown path": ("GET", "/v1/nothing", "", b"", 404),
    "rest wrong method": ("PATCH", "/v1/shelves/1/books", JSON, b"{}", 405),
    "rest bad body": ("POST", "/v1/shelves/1/books", JSON, b"{", 400),
    "rest bad type": ("POST", "/v1/shelves/1/books", "text/plain", b"{}", 415),
    "rest too large": ("POST", "/v1/shelves/1/books", JSON, b"{}" + bytes(2000), 413),
    "rest stream": ("GET", "/v1/shelves/1/books/2:read?count=2", "", b"", 200),
    "connect": ("POST", "/echo.v1.EchoService/Say", JSON, b'{"id":"a"}', 200),
    "connect error": ("POST", "/echo.v1.EchoService/Fail", JSON, b'{"code":5,"message":"no"}', 404),
    "connect bug": ("POST", "/echo.v1.EchoService/Fail", JSON, b"{}", 500),
    "connect stream": ("POST", "/stream.v1.StreamService/Repeat", "application/connect+json", message_frame(b'{"answers":[{}]}'), 200),
    "grpc-web": ("POST", "/echo.v1.EchoService/Say", WEB, message_frame(b""), 200),
    "grpc-web error": ("POST", "/echo.v1.EchoService/Fail", WEB, message_frame(b"\x08\x05"), 200),
    "grpc-web unknown method": ("POST", "/echo.v1.EchoService/Nothing", WEB, message_frame(b""), 200),
    "unknown method": ("POST", "/echo.v1.EchoService/Nothing", JSON, b"{}", 404),
    "another type": ("POST", "/echo.v1.EchoService/Say", "text/plain", b"{}", 415),
    "options": ("OPTIONS", "/echo.v1.EchoService/Say", "", b"", 200),
    "document": ("GET", "/document", "", b"", 200),
    "rejected": ("POST", "/echo.v1.EchoService/Sleep", JSON, b"{}", 429),
}
DOCUMENTS: Final = {"/document": lambda: Document("text/plain", b"here")}


@asynccontextmanager
async def shop(cors: CorsOptions | None = CORS) -> AsyncIterator[Server]:
    """A server of all that can be called, which rejects every call of Sleep."""
    server = Server([Echo(), Library(), Streams()], layers=[RejectsSleep()], cors=cors, message_limit=1000, documents=DOCUMENTS)
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(0)


class RejectsSleep:
    """A layer that rejects each call of Sleep before it costs a task."""

    role = "test"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following

    def early_rejection(self, method: MethodSpec[Any, Any]) -> "RejectsSleep | None":
        return self if method.name == "Sleep" else None

    def on_headers(self, inherited: object, extra: object) -> None:
        return None

    def on_arrival(self, ctx: Context, call: object) -> Rejection:
        return Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "not now"))


def over_http1(address: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, list[str]], bytes]:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        found: dict[str, list[str]] = {}
        for name, value in response.getheaders():
            found.setdefault(name.lower(), []).append(value)
        return response.status, found, response.read()


async def over_http2(
    peer: RawPeer, stream_id: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, list[str]]]:
    own = [(b":method", method.encode()), (b":path", path.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    if "content-type" not in headers:
        own.append((b"content-type", b""))
    peer.send(frames.HEADERS, END_HEADERS if body else END_HEADERS | END_STREAM, stream_id, request_head(b"", *own))
    if body:
        peer.send(frames.DATA, END_STREAM, stream_id, body)
    found: dict[str, list[str]] = {}
    for name, value in peer.field_list(await peer.until(frames.HEADERS, stream_id)):
        found.setdefault(name.decode(), []).append(value.decode())
    return int(found[":status"][0]), found


def headers_of(content_type: str, origin: str | None) -> dict[str, str]:
    return {**({"content-type": content_type} if content_type else {}), **({"origin": origin} if origin else {})}


def check(name: str, status: int, fields: dict[str, list[str]], origin: str) -> None:
    assert status == REQUESTS[name][-1]
    assert "origin" in fields["vary"]
    if origin == SHOP:
        assert fields["access-control-allow-origin"] == [SHOP]
        exposed = ",".join(fields["access-control-expose-headers"]).replace(" ", "").split(",")
        assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= set(exposed)
        readable = {*exposed, "content-type", "cache-control", "content-length", ":status", "vary", "transfer-encoding", "connection"}
        assert {field for field in fields if not field.startswith("access-control-")} <= readable
    else:
        assert not [field for field in fields if field.startswith("access-control-")]


@pytest.mark.parametrize("origin", [SHOP, "https://evil.example"])
@pytest.mark.parametrize("name", REQUESTS)
async def test_every_response_says_what_its_origin_may_read(name: str, origin: str) -> None:
    method, path, content_type, body, _ = REQUESTS[name]
    async with shop() as server:
        for _ in range(2):
            status, fields, _ = await asyncio.to_thread(over_http1, server.address, method, path, body, headers_of(content_type, origin))
            check(name, status, fields, origin)
        async with raw_client(server.address) as peer:
            for stream_id in (1, 3):
                check(name, *await over_http2(peer, stream_id, method, path, body, headers_of(content_type, origin)), origin)


async def test_without_the_setting_no_response_says_anything_of_origins() -> None:
    async with shop(None) as server:
        for method, path, content_type, body, wanted in REQUESTS.values():
            status, fields, _ = await asyncio.to_thread(over_http1, server.address, method, path, body, headers_of(content_type, SHOP))
            assert status == wanted
            assert not [name for name in fields if name.startswith("access-control-") or name == "vary"]


@pytest.mark.parametrize("path", ["/v1/shelves/1/books", "/echo.v1.EchoService/Sleep", "/nothing", "*"])
async def test_a_preflight_is_answered_and_begins_no_call(path: str) -> None:
    asked = {"origin": SHOP, "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    async with shop() as server:
        status, fields, body = await asyncio.to_thread(over_http1, server.address, "OPTIONS", path, b"", asked)
        assert (status, body, fields["access-control-allow-origin"], fields["access-control-max-age"]) == (200, b"", [SHOP], ["600"])
        assert "authorization" in fields["access-control-allow-headers"][0].split(", ")
        status, fields, body = await asyncio.to_thread(
            over_http1, server.address, "OPTIONS", path, b"", {**asked, "origin": "https://a.example"}
        )
        assert (status, body) == (403, b"pages of https://a.example may not call this service\n")
        async with raw_client(server.address) as peer:
            for stream_id in (1, 3):
                status, again = await over_http2(peer, stream_id, "OPTIONS", path, b"", asked)
                assert (status, again["access-control-allow-methods"]) == (200, ["GET, HEAD, POST, PUT, PATCH, DELETE"])


async def test_grpc_has_no_such_fields_since_no_page_can_speak_it() -> None:
    async with shop() as server, raw_client(server.address) as peer:
        for stream_id, method in ((1, b"Say"), (3, b"Fail"), (5, b"Nothing")):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, request_head(method, (b"origin", SHOP.encode())))
            peer.send(frames.DATA, END_STREAM, stream_id, message_frame(b""))
            fields = peer.fields(await peer.until(frames.HEADERS, stream_id))
            assert b"vary" not in fields
            if b"grpc-status" not in fields:
                peer.fields(await peer.until(frames.HEADERS, stream_id))


async def test_a_head_that_is_too_large_over_http2_is_refused_in_a_readable_response() -> None:
    async with shop() as server, raw_client(server.address) as peer:
        headers = {"content-type": JSON, "origin": SHOP, **{f"x-{number}": "y" for number in range(500)}}
        status, fields = await over_http2(peer, 1, "POST", "/echo.v1.EchoService/Say", b"", headers)
        assert (status, fields["access-control-allow-origin"]) == (431, [SHOP])


async def test_a_method_that_needs_http2_says_so_to_pages_too() -> None:
    async with shop() as server:
        status, fields, _ = await asyncio.to_thread(
            over_http1, server.address, "POST", "/stream.v1.StreamService/Converse", b"", headers_of("application/connect+json", SHOP)
        )
        assert (status, fields["access-control-allow-origin"]) == (505, [SHOP])


async def test_origins_that_come_as_literals_are_told_apart() -> None:
    """A head is remembered by its connection, and the origin is a part of it."""
    async with shop() as server, raw_client(server.address) as peer:
        for stream_id, origin in ((1, SHOP), (3, "https://a.example"), (5, SHOP)):
            status, fields = await over_http2(peer, stream_id, "GET", "/v1/shelves/1/books/2", b"", headers_of("", origin))
            assert (status, fields.get("access-control-allow-origin")) == (200, [SHOP] if origin == SHOP else None)


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
async def test_curl_reads_it(version: str) -> None:
    curl = needed("curl")
    async with shop() as server:
        process = await asyncio.create_subprocess_exec(
            *(curl, "-sSi", version, "-H", f"Origin: {SHOP}", f"http://{server.address}/v1/shelves/1/books/2"),
            stdout=asyncio.subprocess.PIPE,
        )
        text = (await process.communicate())[0].decode().lower()
        assert process.returncode == 0
        assert f"access-control-allow-origin: {SHOP}\r\n" in text
        assert "vary: origin\r\n" in text
