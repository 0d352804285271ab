"""The ASGI applications that are measured: each answers a GET of `/` with a few bytes."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def empty() -> Any:
    """Nothing but the protocol."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


def starlette() -> Any:
    """Starlette: a route and a text."""

    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/", hello)])


class Item(BaseModel):
    """The answer of FastAPI's."""

    id: str
    n: int


def fastapi() -> Any:
    """FastAPI: a parameter and a model."""
    app = FastAPI()

    @app.get("/")
    async def get_item(n: int = 1) -> Item:  # pyright: ignore[reportUnusedFunction] # the decorator takes it
        return Item(id="a", n=n + 1)

    return app


def django() -> Any:
    """Django: an asynchronous view without middleware."""
    from django.conf import settings  # noqa: PLC0415 - not every environment has it
    from django.core.asgi import get_asgi_application  # noqa: PLC0415
    from django.http import HttpResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    async def hello(_: Any) -> HttpResponse:
        return HttpResponse("ok", content_type="text/plain")

    urls: Any = type("Urls", (), {"urlpatterns": [path("", hello)]})
    settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, MIDDLEWARE=[])
    return get_asgi_application()


APPLICATIONS: Final[dict[str, Callable[[], Any]]] = {"empty": empty, "starlette": starlette, "fastapi": fastapi, "django": django}
"""Their makers, by name."""
