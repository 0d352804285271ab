"""Bodies over REST that are bytes of any type, and requests that stream, over HTTP/1.1 and HTTP/2."""

import asyncio
import gzip
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.echo_service import PATIENCE
from tests.file_service import Files
from tests.programs import needed
from tests.transport.raw_peer import raw_client, request_head
from towpath._core.service import Service
from towpath._transport import Server
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM
from towpath._wire.rest import openapi

LINES = {"content-type": "application/x-ndjson"}
PNG = {"content-type": "image/png"}


@asynccontextmanager
async def serving(service: Service, **options: Any) -> AsyncIterator[Server]:
    server = Server([service], **options)
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close(0)


def exchange(
    address: str, method: str, path: str, body: bytes | Iterator[bytes] | None = None, headers: dict[str, str] | None = None
) -> Any:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request(method, path, body, headers or {}, encode_chunked=body is not None and not isinstance(body, bytes))
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


async def ask(server: Server, *request: Any) -> Any:
    return await asyncio.to_thread(exchange, server.address, *request)


async def test_a_body_of_any_type_is_the_field_that_the_binding_names() -> None:
    async with serving(Files()) as server:
        status, _, body = await ask(server, "PUT", "/v1/files/a?draft=true", b"\x00\xff", PNG)
        content = {"contentType": "image/png", "data": "AP8="}
        assert (status, json.loads(body)) == (200, {"request": {"name": "a", "content": content, "draft": True}})


@pytest.mark.parametrize(("headers", "kind"), [(PNG, "image/png"), ({}, "application/octet-stream")])
async def test_a_message_that_is_a_body_comes_and_goes_as_it_is(headers: dict[str, str], kind: str) -> None:
    async with serving(Files()) as server:
        status, answered, body = await ask(server, "POST", "/v1/copy", b"\x00\xff", headers)
        assert (status, answered["content-type"], body) == (200, kind, b"\x00\xff")
        assert (await ask(server, "POST", "/v1/copy", bytes(100_000), headers))[2] == bytes(100_000)
        status, _, body = await ask(server, "POST", "/v1/copy", None, headers)
        assert (status, body) == (200, b"")


async def test_a_field_of_a_response_may_be_its_body() -> None:
    async with serving(Files(), compression="gzip") as server:
        request = "GET", "/v1/files/a/preview?contentType=image/png", None
        assert (await ask(server, *request))[1:] == ({"content-type": "image/png", "content-length": "1"}, b"a")
        _, headers, body = await ask(server, *request, {"accept-encoding": "gzip"})
        assert (headers["content-encoding"], gzip.decompress(body)) == ("gzip", b"a")
        status, headers, body = await ask(server, "HEAD", *request[1:])
        assert (status, headers["content-type"], body) == (200, "image/png", b"")


async def test_a_type_that_cannot_stand_in_a_header_is_a_bug_of_the_handler() -> None:
    async with serving(Files()) as server:
        for path in ("/v1/files/a/preview?contentType=a%0d%0ax:y", "/v1/files/a?pieces=1&contentType=a%0d%0ax:y"):
            status, headers, body = await ask(server, "GET", path)
            assert (status, json.loads(body)["code"], "x" in headers) == (500, "INTERNAL", False)


async def test_a_body_over_the_limit_is_413() -> None:
    async with serving(Files(), message_limit=10) as server:
        assert (await ask(server, "PUT", "/v1/files/a", bytes(11), PNG))[0] == 413
        assert (await ask(server, "POST", "/v1/tables/a/records", b'{"id":"abcdef"}\n', LINES))[0] == 413
        assert (await ask(server, "POST", "/v1/files/a", bytes(100), PNG))[0] == 200  # no piece of it is larger than the limit


async def test_an_upload_comes_in_pieces_that_all_have_the_fields_of_path_and_query() -> None:
    async with serving(Files()) as server:
        body = iter([bytes(1000)] * 200)
        status, _, answer = await ask(server, "POST", "/v1/files/a?draft=true", body, PNG)
        found = json.loads(answer)
        assert (status, found["size"], found["name"], found["contentType"], found["draft"]) == (200, 200_000, "a", "image/png", True)
        status, _, answer = await ask(server, "POST", "/v1/files/b", b"", {})
        assert (status, json.loads(answer)) == (200, {"name": "b", "pieces": 1})


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
async def test_an_upload_of_20_mb_is_never_held_whole(version: str, tmp_path: Path) -> None:
    """What is counted is what the server says that it keeps, of requests and for sockets."""
    curl = needed("curl")
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    held = [0]

    def on_piece(_: bytes) -> None:
        held.append(max(link.held + sum(kept.held for kept in link.kept()) for link in server.links))

    async with serving(Files(on_piece)) as server:
        process = await asyncio.create_subprocess_exec(
            *(curl, "-sS", version, "-T", str(tmp_path / "large"), "-X", "POST", "-H", "Content-Type: video/mp4"),
            f"http://{server.address}/v1/files/large",
            stdout=asyncio.subprocess.PIPE,
        )
        found = json.loads((await process.communicate())[0])
    assert (found["size"], found["contentType"]) == (20_000_000, "video/mp4")
    assert max(held) < 1_000_000


async def test_an_upload_whose_handler_fails_is_answered_at_once() -> None:
    async with serving(Files()) as server:
        status, _, answer = await ask(server, "POST", "/v1/files/a", b"refuse this", PNG)
        assert (status, json.loads(answer)["detail"]) == (400, "not this one")


async def test_an_upload_that_is_given_up_cancels_its_handler() -> None:
    files = Files()
    async with serving(files) as server, raw_client(server.address) as peer:
        fields = (b":path", b"/v1/files/a"), (b"content-type", b"image/png")
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"", *fields))
        peer.send(frames.DATA, 0, 1, b"begin")
        await peer.until_silent_with(b"has come")
        peer.send(frames.RST_STREAM, 0, 1, int(ErrorCode.CANCEL).to_bytes(4, "big"))
        async with asyncio.timeout(PATIENCE):
            await files.cancelled.wait()


async def test_a_download_is_sent_as_it_is_made() -> None:
    async with serving(Files()) as server:
        status, headers, body = await ask(server, "GET", "/v1/files/a?pieces=3&size=100000&contentType=image/png")
        assert (status, headers["content-type"], headers["transfer-encoding"], body) == (200, "image/png", "chunked", bytes(300_000))
        status, headers, body = await ask(server, "GET", "/v1/files/a")
        assert (status, headers["content-type"], body) == (200, "application/octet-stream", b"")
        assert (await ask(server, "GET", "/v1/files/a?failAfter=-1"))[0] == 404


async def test_a_download_that_fails_is_not_taken_for_a_whole_one() -> None:
    """Bytes have no place for an error."""
    async with serving(Files()) as server:
        with pytest.raises(http.client.IncompleteRead):
            await ask(server, "GET", "/v1/files/a?pieces=3&size=10&failAfter=2")
        async with raw_client(server.address) as peer:
            path = b"/v1/files/a?pieces=3&size=10&failAfter=2"
            peer.send(frames.HEADERS, END_HEADERS | END_STREAM, 1, request_head(b"", (b":method", b"GET"), (b":path", path)))
            while (frame := await peer.frame())[0] != frames.RST_STREAM:
                assert frame[0] not in (frames.DATA, frames.HEADERS) or not frame[1] & END_STREAM


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "application/json"])
async def test_lines_of_json_are_a_stream_of_requests(kind: str) -> None:
    async with serving(Files()) as server:
        body = b"".join(b'{"id":"%d","amount":%d}\n\n' % (number, number) for number in range(1000))
        status, headers, answer = await ask(server, "POST", "/v1/tables/t/records", body, {"content-type": kind})
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(answer) == {"table": "t", "records": 1000, "total": 499_500}
        assert json.loads((await ask(server, "POST", "/v1/tables/t/records", None, {"content-type": kind}))[2]) == {}


async def test_a_long_line_is_read_apart() -> None:
    async with serving(Files()) as server:
        line = b'{"id":"%s","amount":7}' % (b"x" * 100_000)
        assert json.loads((await ask(server, "POST", "/v1/tables/t/records", line, LINES))[2])["total"] == 7
        status, _, answer = await ask(server, "POST", "/v1/tables/t/records", line[:-1], LINES)
        assert (status, json.loads(answer)["code"]) == (400, "INVALID_ARGUMENT")


async def test_a_line_that_is_no_request_ends_the_call() -> None:
    async with serving(Files()) as server:
        status, _, answer = await ask(server, "POST", "/v1/tables/t/records", b'{"id":"a"}\n{"idd":"b"}\n', LINES)
        assert (status, "idd" in json.loads(answer)["detail"]) == (400, True)


@pytest.mark.parametrize("headers", [{"content-type": "text/plain"}, {**LINES, "content-encoding": "gzip"}])
async def test_what_is_no_stream_of_lines_is_415(headers: dict[str, str]) -> None:
    async with serving(Files()) as server:
        status, _, answer = await ask(server, "POST", "/v1/tables/t/records", gzip.compress(b"{}"), headers)
        assert (status, json.loads(answer)["code"]) == (415, "INVALID_ARGUMENT")


async def test_both_sides_may_stream_over_http2() -> None:
    async with serving(Files()) as server:
        assert (await ask(server, "POST", "/v1/transform", b"{}", LINES))[0] == 505
        async with raw_client(server.address) as peer:
            fields = (b":path", b"/v1/transform"), (b"content-type", b"application/x-ndjson")
            peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"", *fields))
            for amount in (1, 2):
                peer.send(frames.DATA, 0, 1, b'{"record":{"amount":%d}}\n' % amount)
                if amount == 1:
                    assert peer.fields(await peer.until(frames.HEADERS, 1))[b"content-type"] == b"application/x-ndjson"
                assert (await peer.until(frames.DATA, 1))[3] == b'{"record":{"amount":%d}}\n' % (2 * amount)
            peer.send(frames.DATA, END_STREAM, 1, b'{"record":{"amount":-1}}')
            assert json.loads((await peer.until(frames.DATA, 1))[3])["error"]["code"] == "OUT_OF_RANGE"


def test_the_description_has_the_types_of_bodies() -> None:
    document = openapi.openapi([Files()])
    assert document is not None
    paths = json.loads(document)["paths"]
    binary = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    file = {"content": binary["*/*"]["schema"]}
    form = {"multipart/form-data": {"schema": {"type": "object", "properties": file, "required": ["content"]}}}
    assert paths["/v1/files/{name}"]["post"]["requestBody"]["content"] == {**binary, **form}
    assert paths["/v1/copy"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["file"]
    assert paths["/v1/files/{name}"]["get"]["responses"]["200"]["content"] == binary
    assert paths["/v1/files/{name}/preview"]["get"]["responses"]["200"]["content"] == binary
    assert list(paths["/v1/tables/{table}/records"]["post"]["requestBody"]["content"]) == ["application/x-ndjson"]
