"""Pages of other origins in a real browser: headless Chromium, which is skipped where there is none."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from tests.echo_service import PATIENCE, Echo
from tests.library_service import Library
from towpath._transport import Server
from towpath._transport.tls import ServerTls
from towpath.settings import CorsOptions

SCRIPT: Final = """
let found, base;
async function ask(name, path, init, read) {
  try { const answer = await fetch(base + path, init); found[name] = await read(answer); }
  catch (error) { found[name] = error.name; }
}
const status = async (answer) => [answer.status, await answer.text()];
const connect = {"content-type": "application/json", "connect-protocol-version": "1"};
const web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"};
async function all() {
  found = {};
  await ask("rest", "/v1/shelves/1/books/2", {}, async (answer) => [answer.status, answer.headers.get("etag")]);
  await ask("rest error", "/v1/shelves/1/books/missing", {}, async (answer) => [(await answer.json()).code]);
  await ask("unknown path", "/nothing", {}, async (answer) => [answer.status]);
  await ask("connect", "/echo.v1.EchoService/Say", {method: "POST", headers: connect, body: '{"id":"a"}'}, status);
  await ask("connect error", "/echo.v1.EchoService/Fail", {method: "POST", headers: connect, body: '{"code":5}'},
    async (answer) => [answer.status, (await answer.json()).code]);
  await ask("grpc-web", "/echo.v1.EchoService/Say", {method: "POST", headers: web, body: new Uint8Array(5)},
    async (answer) => [answer.status, new TextDecoder().decode(await answer.arrayBuffer()).includes("grpc-status: 0")]);
  await ask("grpc-web error", "/echo.v1.EchoService/Nothing", {method: "POST", headers: web, body: new Uint8Array(5)},
    async (answer) => [answer.headers.get("grpc-status")]);
  await ask("own header", "/echo.v1.EchoService/Say",
    {method: "POST", headers: {...connect, authorization: "Bearer a"}, body: "{}"}, async (answer) => [answer.status]);
  await ask("unlisted header", "/echo.v1.EchoService/Say",
    {method: "POST", headers: {...connect, "x-other": "a"}, body: "{}"}, async (answer) => [answer.status]);
  return found;
}
(async () => {
  const results = [];
  for (base of BASES) results.push(await all());
  await fetch("/found", {method: "POST", body: JSON.stringify(results)});
})();
"""
READABLE: Final = {
    "rest": [200, '"1"'],
    "rest error": ["NOT_FOUND"],
    "unknown path": [404],
    "connect": [200, '{"id":"a"}'],
    "connect error": [404, "not_found"],
    "grpc-web": [200, True],
    "grpc-web error": ["12"],
    "own header": [200],
    "unlisted header": "TypeError",
}


@asynccontextmanager
async def page(found: "asyncio.Future[list[dict[str, Any]]]", bases: list[str]) -> AsyncIterator[str]:
    """The origin of a page that calls the servers at `bases` and tells what it has read."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body, content_type = b"<script src=/script.js></script>", b"text/html"
        if head.startswith(b"POST /found"):
            size = next(int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            found.set_result(json.loads(await reader.readexactly(size)))
        elif head.startswith(b"GET /script.js"):
            body, content_type = f"const BASES = {bases!r};{SCRIPT}".encode(), b"text/javascript"
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (content_type, len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def browser(url: str, folder: Path) -> AsyncIterator[None]:
    """Chromium that has opened `url`."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium; install chromium to have a real browser read the responses")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run")
    process = await asyncio.create_subprocess_exec(
        *(program, *flags, f"--user-data-dir={folder}", "--remote-debugging-port=0", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def certificate(folder: Path) -> ServerTls:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    issued.private_key_pem.write_to_path(folder / "tls.key")
    return ServerTls(certificate=folder / "tls.crt", key=folder / "tls.key")


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "a stranger"])
async def test_a_page_reads_what_its_origin_may(allowed: bool, tmp_path: Path) -> None:
    """Over TLS, Chromium takes HTTP/2."""
    found: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
    bases: list[str] = []
    async with AsyncExitStack() as stack:
        origin = await stack.enter_async_context(page(found, bases))
        for tls in (None, certificate(tmp_path)):
            origins = (origin if allowed else "https://shop.example",)
            server = Server([Echo(), Library()], cors=CorsOptions(origins=origins, headers=("authorization",)))
            await server.start("127.0.0.1", 0, tls=tls)
            stack.push_async_callback(server.close, 0)
            bases.append(f"{'http' if tls is None else 'https'}://{server.address}")
        async with browser(f"{origin}/", tmp_path / "profile"), asyncio.timeout(PATIENCE):
            assert await found == 2 * [READABLE if allowed else dict.fromkeys(READABLE, "TypeError")]
