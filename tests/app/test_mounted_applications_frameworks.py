"""What the frameworks' own tests try first of a server: methods, forms, uploads, errors, large bodies both ways, and clients that leave."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from tests.asgi_apps import VERSIONS, curl, dialled, hang_up, mounting
from tests.echo_service import turn_until

PIECE = bytes(range(256)) * 256
PIECES = 80
LARGE = hashlib.sha256(PIECE * PIECES).hexdigest()
UPGRADE = ("-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: eA==")


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE


class Site:
    """An application of Starlette's, and what it has seen."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.left = asyncio.Event()
        routes = [
            Route("/", self.root, methods=["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]),
            Route("/digest", self.digest, methods=["POST"]),
            Route("/download", lambda _: StreamingResponse(pieces())),
            Route("/breaks", self.breaks),
            Route("/breaks-later", self.breaks_later),
            Route("/teapot", self.teapot),
            Route("/waits", self.waits),
            Route("/later", self.later),
            WebSocketRoute("/ws", self.breaks),
        ]
        handlers: Any = {LookupError: self.on_lookup}
        self.app = Starlette(routes=routes, lifespan=self.lifespan, exception_handlers=handlers)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": self.seen}

    async def root(self, request: Request) -> JSONResponse:
        assert request.state.pool is self.seen
        cookie = request.cookies.get("c")
        response = JSONResponse({"method": request.method, "url": request.url.path, "cookie": cookie})
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def digest(self, request: Request) -> PlainTextResponse:
        found = hashlib.sha256()
        async for piece in request.stream():
            found.update(piece)
        return PlainTextResponse(found.hexdigest())

    async def breaks(self, _: Any) -> None:
        raise ValueError("secret")

    async def breaks_later(self, _: Any) -> StreamingResponse:
        async def made() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("secret")

        return StreamingResponse(made())

    async def teapot(self, _: Any) -> None:
        raise LookupError("tea")

    async def on_lookup(self, _: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), 418)

    async def waits(self, request: Request) -> PlainTextResponse:
        self.seen.append("waits")
        while not await request.is_disconnected():  # noqa: ASYNC110 - as applications ask
            await asyncio.sleep(0)
        self.left.set()
        return PlainTextResponse("to nobody")

    async def later(self, _: Any) -> PlainTextResponse:
        return PlainTextResponse("now", background=BackgroundTask(self.seen.append, "later"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_starlette(version: str, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(PIECE * PIECES)
    site = Site()
    async with mounting(site.app, "/site", max_body=None) as server:
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
            _, _, body = await curl(server, "/site/", version, "-X", method, "-H", "Cookie: c=3")
            assert body == b'{"method":"%s","url":"/site/","cookie":"3"}' % method.encode()
        status, headers, body = await curl(server, "/site/", version, "-I")
        assert (status, headers["content-length"], body) == (200, "46", b"")
        assert (await curl(server, "/site/", version, "-X", "POST"))[0] == 405
        assert (await curl(server, "/site/digest", version, "--data-binary", f"@{tmp_path / 'file'}"))[2] == LARGE.encode()
        chunked = ("-T", f"{tmp_path / 'file'}", "-X", "POST", "-H", "Transfer-Encoding: chunked")
        assert (await curl(server, "/site/digest", version, *(chunked if "1.1" in version else chunked[:4])))[2] == LARGE.encode()
        assert hashlib.sha256((await curl(server, "/site/download", version))[2]).hexdigest() == LARGE
        status, _, body = await curl(server, "/site/breaks", version)
        assert (status, body) == (500, b"Internal Server Error")
        status, _, body = await curl(server, "/site/teapot", version)
        assert (status, body) == (418, b"tea")
        with pytest.raises(AssertionError, match="curl"):  # which says that the response is not whole
            await curl(server, "/site/breaks-later", version)
        assert (await curl(server, "/site/later", version))[2] == b"now"
        await turn_until(lambda: "later" in site.seen)
    assert sum("secret" in record.exc_text for record in caplog.records if record.exc_text) >= 2


async def test_a_websocket_of_starlette_is_refused_in_one_sentence() -> None:
    async with mounting(Site().app, "/site") as server:
        status, _, body = await curl(server, "/site/ws", "--http1.1", *UPGRADE)
    assert (status, body) == (501, b"WebSocket is not served here\n")


async def test_a_client_that_leaves_is_seen_by_starlette() -> None:
    site = Site()
    async with mounting(site.app, "/site") as server:
        async with dialled(server) as (_, writer):
            writer.write(b"GET /site/waits HTTP/1.1\r\nHost: x\r\n\r\n")
            await turn_until(lambda: site.seen)
            hang_up(writer)
            await site.left.wait()
        assert (await curl(server, "/site/"))[0] == 200


@pytest.mark.parametrize("version", VERSIONS)
async def test_fastapi(version: str) -> None:
    closed: list[str] = []
    app = FastAPI()

    async def resource() -> AsyncIterator[str]:
        yield "resource"
        closed.append("closed")

    @app.get("/uses")
    async def uses(given: str = Depends(resource)) -> str:  # noqa: FAST002 - as much code is written
        return given

    @app.get("/breaks")
    async def breaks(_: str = Depends(resource)) -> None:  # noqa: FAST002
        raise ValueError("secret")

    async with mounting(app, "/api") as server:
        assert (await curl(server, "/api/uses", version))[2] == b'"resource"'
        assert closed == ["closed"]
        status, _, body = await curl(server, "/api/breaks", version)
        assert (status, body) == (500, b"Internal Server Error")
        assert (await curl(server, "/api/uses", version, "-I"))[0] == 405
        assert (await curl(server, "/api/none", version))[2] == b'{"detail":"Not Found"}'


def form(request: Any) -> HttpResponse:
    if request.method == "HEAD":
        return HttpResponse("not sent")
    given = request.FILES.get("file")
    digest = "" if given is None else hashlib.sha256(given.read()).hexdigest()
    return HttpResponse(f"{request.POST.get('name')} {digest}")


def breaks(_: Any) -> None:
    raise ValueError("secret")


def download(_: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(PIECE for _ in range(PIECES))


urlpatterns = [path("form", form), path("breaks", breaks), path("download", download)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")  # as old views have them
async def test_django(version: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="tests.app.test_mounted_applications", ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="for the test", DEBUG=False
        )
        django.setup()
    monkeypatch.setattr(settings, "ROOT_URLCONF", __name__)
    caplog.set_level(logging.CRITICAL, "django.request")
    (tmp_path / "file").write_bytes(PIECE * PIECES)
    async with mounting(ASGIHandler(), "/old", max_body=None) as server:
        status, _, body = await curl(server, "/old/form", version, "-d", "name=a%20b")
        assert (status, body) == (200, b"a b ")
        status, _, body = await curl(server, "/old/form", version, "-F", "name=c", "-F", f"file=@{tmp_path / 'file'}")
        assert (status, body) == (200, f"c {LARGE}".encode())
        assert (await curl(server, "/old/form", version, "-I"))[2] == b""
        assert (await curl(server, "/old/breaks", version))[0] == 500
        assert hashlib.sha256((await curl(server, "/old/download", version))[2]).hexdigest() == LARGE
