"""Forms with files over REST, as curl, requests, Chromium and whoever cuts an upload short send them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from file.v1 import file_pb2 as pb

from tests.echo_service import PATIENCE
from tests.file_service import Files
from tests.programs import needed
from tests.transport.raw_peer import raw_client, request_head
from tests.transport.server.test_routes_cors_browser import browser
from tests.transport.server.test_routes_rest_bytes import ask, serving
from towpath._core.context import Context
from towpath._transport import Server
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import END_HEADERS

FORM: Final = {"content-type": "multipart/form-data; boundary=x-0-x"}
FILE: Final = b'--x-0-x\r\ncontent-disposition: form-data; name="content"; filename="a"\r\n\r\n'
VERSIONS: Final = ["--http1.1", "--http2-prior-knowledge"]


async def curl(server: Server, path: str, *arguments: str, cwd: Path) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(needed("curl"), "-sS", *arguments, f"http://{server.address}{path}"), cwd=cwd, stdout=asyncio.subprocess.PIPE
    )
    return json.loads((await process.communicate())[0])


@pytest.mark.parametrize("version", VERSIONS)
async def test_curl_uploads_files_with_their_names_and_fields(version: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\r\n--" * 1000)
    (tmp_path / 'naïve "b".txt').write_bytes(bytes(100_000))
    files = ("-F", "content=@a.png", "-F", 'content=@"naïve \\"b\\".txt";type=text/x-own', "-F", "content=@/dev/null;filename=c")
    async with serving(Files()) as server:
        found = await curl(server, "/v1/files/n", version, "-F", "draft=true", "-F", "tags=a", "-F", "tags=b", *files, cwd=tmp_path)
        assert (found["name"], found["draft"], found["tags"], found["size"]) == ("n", True, ["a", "b"], 104_000)
        assert found["files"] == ["0 a.png image/png 4000", '1 naïve "b".txt text/x-own 100000', "2 c application/octet-stream 0"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_form_of_20_mb_is_never_held_whole(version: str, tmp_path: Path) -> None:
    (tmp_path / "large.mp4").write_bytes(bytes(20_000_000))
    held = [0]

    def on_piece(piece: bytes) -> None:
        held.append(max(link.held + sum(kept.held for kept in link.kept()) for link in server.links))
        assert len(piece) <= 64 * 1024

    async with serving(Files(on_piece)) as server:
        found = await curl(server, "/v1/files/large", version, "-F", "content=@large.mp4;type=video/mp4", cwd=tmp_path)
    assert found["files"] == ["0 large.mp4 video/mp4 20000000"]
    assert max(held) < 1_000_000


async def test_requests_uploads_a_form() -> None:
    async with serving(Files()) as server:
        url = f"http://{server.address}/v1/files/n?draft=true"
        files = {"content": ("naïve.png", b"\x00\xff", "image/png")}
        answer = await asyncio.to_thread(requests.post, url, files=files, data={"tags": ["a", "b"]}, timeout=PATIENCE)
        found = answer.json()
        assert (found["files"], found["tags"], found["draft"]) == (["0 naïve.png image/png 2"], ["a", "b"], True)


async def test_a_browser_submits_a_form(tmp_path: Path) -> None:
    got: asyncio.Future[list[pb.UploadRequest]] = asyncio.get_running_loop().create_future()

    class Kept(Files):
        async def upload(self, requests: AsyncIterator[pb.UploadRequest], ctx: Context) -> pb.UploadResponse:
            got.set_result([request async for request in requests])
            return pb.UploadResponse()

    async with serving(Kept()) as server:
        action = f"http://{server.address}/v1/files/n"
        (tmp_path / "page.html").write_text(
            f"""<meta charset=utf-8><form method=post enctype=multipart/form-data action={action}>
            <input name=draft type=checkbox value=true checked><input name=tags value="é &amp;">
            <input name=content type=file></form><script>
            const files = new DataTransfer();
            files.items.add(new File(["the file"], 'naïve "b".txt', {{type: "text/plain"}}));
            document.forms[0].content.files = files.files;
            document.forms[0].submit();</script>"""
        )
        async with browser(f"file://{tmp_path}/page.html", tmp_path / "profile"), asyncio.timeout(PATIENCE):
            (request,) = await got
    assert (request.name, request.draft, list(request.tags), request.filename) == ("n", True, ["é &"], 'naïve "b".txt')
    assert (request.content.content_type, request.content.data) == ("text/plain", b"the file")


async def test_a_method_that_does_not_stream_takes_a_form_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x00\xff")
    async with serving(Files(), message_limit=1000) as server:
        found = await curl(server, "/v1/files/n", "-X", "PUT", "-F", "content=@a.png", "-F", "draft=true", cwd=tmp_path)
        assert found == {"request": {"name": "n", "content": {"contentType": "image/png", "data": "AP8="}, "draft": True}}
        status, headers, body = await ask(server, "POST", "/v1/copy", FILE + b"x\r\n--x-0-x--", FORM)
        assert (status, headers["content-type"], body) == (200, "application/octet-stream", b"x")
        status, _, body = await ask(server, "PUT", "/v1/files/n", FILE + bytes(1000) + b"\r\n--x-0-x--", FORM)
        assert (status, json.loads(body)["code"]) == (413, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/files/n"), ("PUT", "/v1/files/n"), ("POST", "/v1/copy")])
@pytest.mark.parametrize(
    ("body", "headers", "detail"),
    [
        (FILE + b"x", FORM, "the body is no multipart/form-data: it ends before its last boundary"),
        (b"x", {"content-type": "multipart/form-data"}, "its content-type has no boundary of 1 to 70 characters"),
        (b"--x-0-x\r\ncontent-type: a\r\n\r\n", FORM, 'no header such as content-disposition: form-data; name="file"'),
    ],
)
async def test_a_malformed_form_is_400(method: str, path: str, body: bytes, headers: dict[str, str], detail: str) -> None:
    async with serving(Files()) as server:
        status, _, answer = await ask(server, method, path, body, headers)
        problem = json.loads(answer)
        assert (status, problem["code"], detail in problem["detail"]) == (400, "INVALID_ARGUMENT", True)


async def test_fields_over_the_limit_are_413() -> None:
    async with serving(Files(), message_limit=100) as server:
        body = b'--x-0-x\r\ncontent-disposition: form-data; name="tags"\r\n\r\n' + bytes(101) + b"\r\n--x-0-x--"
        status, _, answer = await ask(server, "POST", "/v1/files/n", body, FORM)
        told = "the part 'tags' is a field, and the fields of the form are larger than 100 bytes together"
        assert (status, json.loads(answer)["detail"]) == (413, told)


async def test_a_compressed_form_is_415() -> None:
    async with serving(Files()) as server:
        assert (await ask(server, "POST", "/v1/files/n", FILE, {**FORM, "content-encoding": "gzip"}))[0] == 415


async def test_a_form_that_is_given_up_cancels_its_handler() -> None:
    files = Files()
    async with serving(files) as server, raw_client(server.address) as peer:
        fields = (b":path", b"/v1/files/a"), (b"content-type", FORM["content-type"].encode())
        peer.send(frames.HEADERS, END_HEADERS, 1, request_head(b"", *fields))
        peer.send(frames.DATA, 0, 1, FILE + b"begin")
        await peer.until_silent_with(b"has come")
        peer.send(frames.RST_STREAM, 0, 1, int(ErrorCode.CANCEL).to_bytes(4, "big"))
        async with asyncio.timeout(PATIENCE):
            await files.cancelled.wait()


async def test_a_form_whose_connection_ends_cancels_its_handler() -> None:
    begun = asyncio.Event()
    files = Files(lambda _: begun.set())
    async with serving(files) as server:
        host, _, port = server.address.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = b"POST /v1/files/a HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\ncontent-type: %s\r\n\r\n"
        writer.write(head % FORM["content-type"].encode() + FILE + b"the beginning")
        await writer.drain()
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            writer.close()
            await writer.wait_closed()
            await files.cancelled.wait()
