"""Whether JSON has fields that have their default is one rule for a service: a message is the same JSON in each protocol."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.error_details_pb2 import BadRequest
from library.v1 import library_pb2 as pb

from tests.library_service import Library
from towpath import App, Code, Context, RpcError
from towpath.settings import ServerOptions, ServiceConfig

ANSWER: Final = pb.ListBooksResponse(
    request=pb.ListBooksRequest(page_size=3, filter=pb.BookFilter(lent=False)), books=[pb.Book(title="Emma"), pb.Book(page_count=1)]
)
PAGES: Final = [pb.ReadPagesResponse(), pb.ReadPagesResponse(number=1)]
FAULT: Final = BadRequest(field_violations=[BadRequest.FieldViolation(field="x")])
LIST: Final = "/library.v1.LibraryService/ListBooks"
READ: Final = "/library.v1.LibraryService/ReadPages"


class Sparse(Library):
    """Answers with messages of which most fields have their default."""

    async def list_books(self, request: pb.ListBooksRequest, ctx: Context) -> pb.ListBooksResponse:
        if request.page_size < 0:
            raise RpcError(Code.INVALID_ARGUMENT, "no", [FAULT])
        return ANSWER

    async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
        for page in PAGES:
            yield page
        raise RpcError(Code.DATA_LOSS, "the rest is torn out", [FAULT])


def ask(address: str, method: str, path: str, content_type: str = "", body: bytes = b"") -> bytes:
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(method, path, body or None, {"content-type": content_type} if content_type else {})
        return connection.getresponse().read()
    finally:
        connection.close()


def envelopes(body: bytes) -> list[Any]:
    found: list[Any] = []
    while body:
        size = int.from_bytes(body[1:5])
        if not body[0] & 0x80:  # gRPC-Web's trailers
            found.append(json.loads(body[5 : 5 + size]))
        body = body[5 + size :]
    return found


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


def expected(message: Any, *, printed: bool) -> Any:
    """As protobuf's own JSON has it."""
    return MessageToDict(message, always_print_fields_with_no_presence=printed)


@pytest.mark.parametrize("printed", [False, True])
async def test_every_protocol_and_every_form_of_answer_follows_it(printed: bool) -> None:
    config = ServiceConfig(server=ServerOptions(json_defaults="print")) if printed else ServiceConfig()
    async with App(config) as app:
        app.add(Sparse())
        await app.start("127.0.0.1", 0)

        async def answer(*asked: Any) -> bytes:
            return await asyncio.to_thread(ask, app.address, *asked)

        whole = expected(ANSWER, printed=printed)
        assert json.loads(await answer("GET", "/v1/books")) == whole
        assert json.loads(await answer("POST", LIST, "application/json", b"{}")) == whole
        assert json.loads(await answer("GET", f"{LIST}?encoding=json&message={quote('{}')}")) == whole
        assert envelopes(await answer("POST", LIST, "application/grpc-web+json", framed(b"{}"))) == [whole]

        pages = [expected(page, printed=printed) for page in PAGES]
        detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", **expected(FAULT, printed=printed)}
        *lines, last = (json.loads(line) for line in (await answer("GET", "/v1/shelves/1/books/2:read")).splitlines())
        assert lines == pages
        assert last["error"]["details"] == [detail]
        *streamed, _ = envelopes(await answer("POST", READ, "application/connect+json", framed(b"{}")))
        assert streamed == pages
        assert json.loads(await answer("GET", "/v1/books?page_size=-1"))["details"] == [detail]
        (misspelt,) = json.loads(await answer("GET", "/v1/books?titel=x"))["details"][0]["fieldViolations"]
        assert ("reason" in misspelt) is printed
