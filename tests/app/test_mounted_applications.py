"""Applications as teams have them, of FastAPI, Starlette and Django, unchanged but for where they are served."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import django
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.asgi_apps import VERSIONS, curl, mounting
from tests.echo_service import Echo
from towpath import App
from towpath._app.settings.service_file import ServiceConfig

JSON = ("-H", "content-type: application/json")


class Item(BaseModel):
    name: str
    price: float


def shop(echo: Any = None) -> FastAPI:
    done = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        yield {"db": "connected"}

    app = FastAPI(lifespan=lifespan)
    app.state.done = done

    @app.get("/items/{number}")
    async def read(number: int, q: str = "") -> dict[str, Any]:
        if number == 404:
            raise HTTPException(404, "no such item")
        return {"number": number, "q": q}

    @app.post("/items", status_code=201)
    async def create(item: Item, request: Request) -> dict[str, Any]:
        return {"name": item.name, "db": request.state.db, "self": str(request.url_for("read", number=7).path)}

    @app.get("/threaded")
    def threaded() -> str:
        return "from a thread"

    @app.post("/upload")
    async def upload(request: Request) -> int:
        return sum([len(piece) async for piece in request.stream()])

    @app.post("/later", status_code=202)
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(done.set)

    @app.get("/lines")
    async def lines() -> StreamingResponse:
        async def made() -> AsyncIterator[str]:
            for number in range(3):
                yield f"{number}\n"
                await asyncio.sleep(0)

        return StreamingResponse(made())

    async def client() -> EchoServiceClient:
        return EchoServiceClient(echo())

    @app.get("/echoed")
    async def echoed(client: Annotated[EchoServiceClient, Depends(client)]) -> str:
        return (await client.inspect(pb.InspectRequest())).tenant

    return app


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_application_of_fastapi(version: str, tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    app = shop()
    async with mounting(app, "/shop") as server:
        status, headers, body = await curl(server, "/shop/items/3?q=a%20b", version)
        assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", {"number": 3, "q": "a b"})
        assert (await curl(server, "/shop/items/404", version))[0] == 404
        assert (await curl(server, "/shop/items/many", version))[0] == 422
        status, _, body = await curl(server, "/shop/items", version, "-d", '{"name": "cup", "price": 3.5}', *JSON)
        assert (status, json.loads(body)) == (201, {"name": "cup", "db": "connected", "self": "/shop/items/7"})
        assert (await curl(server, "/shop/threaded", version))[2] == b'"from a thread"'
        assert (await curl(server, "/shop/upload", version, "--data-binary", f"@{tmp_path / 'file'}"))[2] == b"3000000"
        assert (await curl(server, "/shop/lines", version))[2] == b"0\n1\n2\n"
        assert (await curl(server, "/shop/later", version, "-X", "POST"))[0] == 202
        await app.state.done.wait()
        assert b'"/shop"' in (await curl(server, "/shop/openapi.json", version))[2]
        assert b"/shop/openapi.json" in (await curl(server, "/shop/docs", version))[2]


async def test_a_handler_of_fastapi_calls_a_service_on_behalf_of_its_own_caller() -> None:
    async with App() as behind:
        behind.add(Echo())
        await behind.start("127.0.0.1", 0)
        async with App(ServiceConfig(targets={"echo": behind.address})) as server:
            server.mount("/", shop(lambda: server.channel("echo")))
            await server.start("127.0.0.1", 0)
            assert (await curl(server, "/echoed", "-H", "towpath-tenant: acme"))[2] == b'"acme"'


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_application_of_starlette(version: str, tmp_path: Any) -> None:
    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse("x" * 5000, headers={"x-root": request.scope["root_path"]})

    (tmp_path / "page.txt").write_text("static")
    app = Starlette(
        routes=[Route("/page", page), Mount("/files", StaticFiles(directory=tmp_path))], middleware=[Middleware(GZipMiddleware)]
    )
    async with mounting(app, "/site") as server:
        status, headers, body = await curl(server, "/site/page", version, "--compressed")
        assert (status, headers["content-encoding"], headers["x-root"], body) == (200, "gzip", "/site", b"x" * 5000)
        assert (await curl(server, "/site/files/page.txt", version))[2] == b"static"
        status, headers, body = await curl(server, "/site/files/page.txt", version, "-H", "Range: bytes=1-2")
        assert (status, headers["content-range"], body) == (206, "bytes 1-2/6", b"ta")
        assert (await curl(server, "/site/page/", version))[1]["location"] == f"http://{server.address}/site/page"


def hello(request: Any) -> HttpResponse:
    return HttpResponse(f"{request.method} {request.path} {request.path_info} {len(request.body)} {request.GET.get('q')}")


async def streamed(request: Any) -> StreamingHttpResponse:
    async def made() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number

    return StreamingHttpResponse(made())


urlpatterns = [path("hello", hello), path("streamed", streamed)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_application_of_django(version: str) -> None:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="for the test", DEBUG=False)
        django.setup()
    async with mounting(ASGIHandler(), "/old") as server:
        status, _, body = await curl(server, "/old/hello?q=1", version, "-d", "abc")
        assert (status, body) == (200, b"POST /old/hello /hello 3 1")
        assert (await curl(server, "/old/streamed", version))[2] == b"0\n1\n2\n"
        assert (await curl(server, "/old/nothing", version))[0] == 404
