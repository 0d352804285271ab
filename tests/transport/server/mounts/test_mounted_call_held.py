"""Requests to a mounted application that wait to be admitted, which they do without a task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.asgi_apps import VERSIONS, answer, curl, dialled, hang_up
from tests.echo_service import turn_until
from tests.transport.server.test_held_calls import Gatekeeper
from towpath._core.early_rejection import WAIT, Rejection
from towpath._core.errors import Code, RpcError
from towpath._transport import Server
from towpath._transport.server.mounts.mount import mounted


class Application:
    """Answers with the body that it was sent."""

    def __init__(self) -> None:
        self.began = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began += 1
        body, more = b"", True
        while more:
            event = await receive()
            body += event["body"]
            more = event["more_body"]
        await answer(send, scope["path"].encode() + b" " + body)


@asynccontextmanager
async def stage(verdict: Any = lambda _: WAIT) -> AsyncIterator[tuple[Gatekeeper, Application, Server]]:
    keeper, app = Gatekeeper(verdict), Application()
    mount = mounted("/admin", app, others=(), max_body=None, lifespan="off")
    server = Server([], layers=(keeper,), mounts=[mount])
    await server.start("127.0.0.1", 0)
    try:
        yield keeper, app, server
    finally:
        await server.close(0)


@pytest.mark.parametrize("how", ["begin", "run"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_that_was_held_is_served_with_what_came_meanwhile(version: str, how: str) -> None:
    async with stage() as (keeper, app, server):
        asked = asyncio.create_task(curl(server, "/admin/a", version, "-d", "sent"))
        await turn_until(lambda: keeper.held)
        assert not app.began
        assert not keeper.held[0].over
        if how == "begin":
            keeper.held[0].begin()
        else:
            await keeper.held[0].run()
        status, _, body = await asked
        assert (status, body) == (200, b"/admin/a sent")
        assert app.began == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_that_is_rejected_does_not_reach_the_application(version: str) -> None:
    async with stage(lambda _: Rejection(RpcError(Code.RESOURCE_EXHAUSTED, "no room"))) as (_, app, server):
        status, _, body = await curl(server, "/admin", version)
        assert (status, body) == (429, b"RESOURCE_EXHAUSTED: no room\n")
        assert not app.began


async def test_a_request_whose_client_goes_while_it_is_held_does_not_reach_the_application() -> None:
    async with stage() as (keeper, app, server):
        async with dialled(server) as (_, writer):
            writer.write(b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n")
            await turn_until(lambda: keeper.held)
            hang_up(writer)
            await turn_until(lambda: keeper.held[0].over)
        assert not app.began


async def test_a_request_that_is_held_when_the_server_ends_is_answered() -> None:
    async with stage() as (keeper, app, server):
        asked = asyncio.create_task(curl(server, "/admin"))
        await turn_until(lambda: keeper.held)
        await server.close(0)
        status, _, body = await asked
        assert (status, body) == (503, b"UNAVAILABLE: the server is shutting down\n")
        assert not app.began
