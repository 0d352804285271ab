"""REST over real sockets, with the standard library's client for HTTP/1.1 and towpath's own port for the rest."""

import asyncio
import gzip
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import GET_BOOK, LibraryService

from tests.echo_service import PATIENCE, Echo, serving
from tests.library_service import Library
from tests.transport.raw_peer import raw_client, request_head
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import SetupError
from towpath._core.http_bindings import HttpBinding
from towpath._core.service import MethodSpec, ServiceSpec
from towpath._transport import Server
from towpath._transport.server.routes import Document
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

T = TypeVar("T")
JSON = {"content-type": "application/json"}
BOMB = gzip.compress(bytes(2000))


def exchange(address: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """Status, headers and body of one request."""
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


async def ask(server: Server, *request: Any) -> Any:
    return await asyncio.to_thread(exchange, server.address, *request)


async def test_a_path_is_a_call() -> None:
    async with serving(Library()) as server:
        status, headers, body = await ask(server, "GET", "/v1/shelves/1/books/2")
        assert (status, headers["content-type"], headers["etag"]) == (200, "application/json", '"1"')
        assert json.loads(body) == {"name": "shelves/1/books/2", "title": "Emma", "pageCount": "474", "genre": "GENRE_FICTION"}


async def test_head_is_get_without_its_body() -> None:
    async with serving(Library()) as server:
        status, headers, body = await ask(server, "HEAD", "/v1/shelves/1/books/2")
        assert (status, headers["content-type"], body) == (200, "application/json", b"")


async def test_head_over_http2_has_no_data() -> None:
    async with serving(Library()) as server, raw_client(server.address) as peer:
        for stream_id, path in ((1, b"/v1/shelves/1/books/2"), (3, b"/v1/nothing")):
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, request_head(b"", (b":method", b"HEAD"), (b":path", path)))
            _, flags, _, payload = await peer.until(frames.HEADERS, stream_id)
            if not flags & END_STREAM:
                kind, flags, _, payload = await peer.frame()
                assert (kind, flags, payload) == (frames.DATA, END_STREAM, b"")


async def test_a_body_is_the_field_that_the_binding_names() -> None:
    async with serving(Library()) as server:
        found = await ask(server, "POST", "/v1/shelves/1/books?book_id=9", b'{"title": "Emma"}', JSON)
        assert json.loads(found[2]) == {"book": {"name": "shelves/1/books/9", "title": "Emma"}}
        vendor = {"content-type": "application/vnd.library+json; charset=utf-8"}
        assert (await ask(server, "POST", "/v1/shelves/1/books", b"{}", vendor))[0] == 200


async def test_a_stream_is_lines() -> None:
    async with serving(Library()) as server:
        status, headers, body = await ask(server, "GET", "/v1/shelves/1/books/2:read?count=3&failAfter=2")
        assert (status, headers["content-type"]) == (200, "application/x-ndjson")
        *pages, last = map(json.loads, body.splitlines())
        assert [page["number"] for page in pages] == [1, 2]
        assert last["error"]["code"] == "DATA_LOSS"


@pytest.mark.parametrize(
    ("request_", "status", "code", "detail"),
    [
        (("GET", "/v1/shelves/1/books/missing"), 404, "NOT_FOUND", "there is no shelves/1/books/missing"),
        (("GET", "/v1/nothing?x=1"), 404, "NOT_FOUND", "nothing is served at /v1/nothing"),
        (("GET", "/v1/books?pages=1"), 400, "INVALID_ARGUMENT", "has no field pages"),
        (("GET", "/v1/books/%ff"), 400, "INVALID_ARGUMENT", "not UTF-8"),
        (("DELETE", "/v1/books"), 405, "UNIMPLEMENTED", "/v1/books is not served to DELETE"),
        (("POST", "/v1/shelves/1/books", b"{", JSON), 400, "INVALID_ARGUMENT", "not JSON"),
        (("POST", "/v1/shelves/1/books", b"{}", {"content-type": "text/plain"}), 415, "INVALID_ARGUMENT", "send application/json"),
        (("POST", "/v1/shelves/1/books", b"{}", JSON | {"content-encoding": "br"}), 415, "UNIMPLEMENTED", "use gzip"),
        (
            ("POST", "/v1/shelves/1/books", gzip.compress(bytes(2000)), JSON | {"content-encoding": "gzip"}),
            413,
            "RESOURCE_EXHAUSTED",
            "1000",
        ),
        (("POST", "/v1/shelves/1/books", bytes(2000), JSON), 413, "RESOURCE_EXHAUSTED", "limit of 1000 bytes"),
        (("GET", "/v1/shelves/1/books/2:read?count=1&fail_after=x"), 400, "INVALID_ARGUMENT", "fail_after"),
        (("GET", "/v1/books", b'{"pageSize":1}', JSON), 400, "INVALID_ARGUMENT", "GET /v1/books takes no body"),
    ],
)
async def test_what_goes_wrong_is_a_problem(request_: Any, status: int, code: str, detail: str) -> None:
    async with serving(Library(), message_limit=1000) as server:
        found, headers, body = await ask(server, *request_)
        problem = json.loads(body)
        assert (found, headers["content-type"]) == (status, "application/problem+json")
        assert (problem["status"], problem["code"]) == (status, code)
        assert detail in problem["detail"]


async def test_a_method_that_is_not_bound_is_told_which_are() -> None:
    async with serving(Library()) as server:
        assert (await ask(server, "DELETE", "/v1/shelves/1/books"))[1]["allow"] == "GET, POST, HEAD"
        assert (await ask(server, "DELETE", "/v1/shelves/1/books/2:move"))[1]["allow"] == "GET, PATCH, POST, HEAD"


async def test_a_methods_own_path_is_served_beside_its_bindings() -> None:
    async with serving(Library()) as server:
        status, _, body = await ask(server, "POST", "/library.v1.LibraryService/GetBook", b'{"name": "x"}', JSON)
        assert (status, json.loads(body)["book"]["name"]) == (200, "x")
        status, _, body = await ask(server, "POST", "/library.v1.LibraryService/Get", b"{}", JSON)
        assert (status, json.loads(body)["code"]) == (404, "unimplemented")


async def test_without_bindings_no_path_is_rests() -> None:
    async with serving(Echo()) as server:
        status, headers, body = await ask(server, "GET", "/v1/books")
        assert (status, headers["content-type"], json.loads(body)["code"]) == (404, "application/json", "unimplemented")


class Unhurried(Library):
    """Says whether it has more time than its contract gives."""

    async def get_book(self, request: pb.GetBookRequest, ctx: Context) -> pb.GetBookResponse:
        assert ctx.deadline is not None
        return pb.GetBookResponse(book=pb.Book(title=str(ctx.deadline > clock.now() + 600)))


@pytest.mark.parametrize(
    ("header", "unhurried"), [({}, "False"), ({"grpc-timeout": "1H"}, "True"), ({"connect-timeout-ms": "3600000"}, "True")]
)
async def test_a_caller_gives_its_deadline_in_a_header(header: dict[str, str], unhurried: str) -> None:
    async with serving(Unhurried()) as server:
        assert json.loads((await ask(server, "GET", "/v1/shelves/1/books/2", None, header))[2]) == {"title": unhurried}


async def test_a_document_is_served_at_its_path() -> None:
    async with serving(Library(), documents={"/openapi.json": lambda: Document("application/json", b"{}")}) as server:
        assert (await ask(server, "GET", "/openapi.json"))[::2] == (200, b"{}")
        assert (await ask(server, "HEAD", "/openapi.json"))[::2] == (200, b"")
        assert (await ask(server, "POST", "/openapi.json", b"{}", JSON))[0] == 404


def bound(path: str, *, name: str = "library.v2.Other", kind: str = "GET") -> LibraryService:
    """The library, as another service with one method that is bound to `path`."""
    method: MethodSpec[Any, Any] = MethodSpec(
        service=name, name="Get", request=pb.GetBookRequest, response=pb.GetBookResponse, http=(HttpBinding(method=kind, path=path),)
    )

    class Other(Library):
        spec = ServiceSpec(name=name, methods=(method,), attributes={"Get": "get_book"})

    return Other()


@pytest.mark.parametrize(
    ("kind", "asked", "status"),
    [("*", "GET", 200), ("*", "PURGE", 200), ("*", "HEAD", 200), ("*", "OPTIONS", 200), ("HEAD", "HEAD", 200), ("HEAD", "GET", 405)],
)
async def test_any_method_of_http_can_be_bound(kind: str, asked: str, status: int) -> None:
    async with serving(bound("/v2/{name}", kind=kind)) as server:
        found, headers, body = await ask(server, asked, "/v2/x")
        assert (found, headers.get("allow")) == (status, None if status == 200 else "HEAD")
        if asked == "HEAD":
            assert body == b""
        elif status == 200:
            assert json.loads(body)["book"]["name"] == "x"


@pytest.mark.parametrize("path", ["/.well-known/books", "/v1.0/books/{name}"])
async def test_a_path_may_begin_with_a_name_that_has_a_dot(path: str) -> None:
    async with serving(bound(path)) as server:
        assert (await ask(server, "GET", path.replace("{name}", "x")))[0] == 200
        assert (await ask(server, "GET", "/a.b/books"))[1]["content-type"] == "application/json"


async def test_an_unknown_parameter_is_ignored_where_the_setting_says_so() -> None:
    async with serving(Library(), unknown_query="ignore") as server:
        status, _, body = await ask(server, "GET", "/v1/books?utm_source=mail&page_size=3")
        assert (status, json.loads(body)["request"]["pageSize"]) == (200, 3)


async def test_nothing_in_a_body_is_no_body() -> None:
    async with serving(Library()) as server:
        assert (await ask(server, "GET", "/v1/books", b"{}", JSON))[0] == 200


def refusal(make: Callable[[], object]) -> str:
    with pytest.raises(SetupError) as caught:
        make()
    return str(caught.value)


def test_two_services_of_one_path_are_not_served_together() -> None:
    told = refusal(lambda: Server([Library(), bound("/v1/{name=shelves/*/books/*}")]))
    assert (
        told
        == f"GET /v1/{{name=shelves/*/books/*}} of library.v2.Other/Get is bound to {GET_BOOK.full_name} too; serve only one of the two"
    )


def test_a_binding_that_cannot_be_served_is_told_at_start() -> None:
    assert refusal(lambda: Server([bound("/v1/{title}")])) == "library.v2.Other/Get: title: library.v1.GetBookRequest has no field title"


async def test_options_says_what_may_be_asked() -> None:
    async with serving(Library()) as server:
        for path, allowed in (
            ("/v1/shelves/1/books", "GET, POST, HEAD, OPTIONS"),
            ("/library.v1.LibraryService/CreateBook", "POST, OPTIONS"),
        ):
            status, headers, body = await ask(server, "OPTIONS", path, b"", {"Origin": "https://elsewhere"})
            assert (status, headers["allow"], headers["content-length"], body) == (200, allowed, "0", b"")
        assert (await ask(server, "OPTIONS", "/nowhere"))[0] == 404


async def test_a_target_that_is_no_path_is_not_found() -> None:
    async with serving(Library()) as server, raw_client(server.address) as peer:
        for stream_id, fields in (
            (1, [(b":method", b"OPTIONS"), (b":scheme", b"http"), (b":path", b"*"), (b":authority", b"x")]),
            (3, [(b":method", b"CONNECT"), (b":authority", b"x")]),
        ):
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, b"".join(literal(*field) for field in fields))
            assert peer.fields(await peer.until(frames.HEADERS, stream_id))[b":status"] == b"404"
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
        writer.close()
