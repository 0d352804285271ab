"""`grpc.health.v1` as a client that others wrote sees it, and as it changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.echo_service import PATIENCE, Echo, turn_until
from towpath._app.application import App
from towpath._app.standard.health import CHECK, WATCH, ServingStatus
from towpath._core.service import Service, ServiceSpec

ECHO = "echo.v1.EchoService"


def caller(channel: Any, spec: Any, shape: str) -> Any:
    return getattr(channel, shape)(
        spec.path, request_serializer=spec.request.SerializeToString, response_deserializer=spec.response.FromString
    )


@asynccontextmanager
async def started() -> AsyncIterator[tuple[App, Any, Any]]:
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(app.address) as channel:
            yield app, caller(channel, CHECK, "unary_unary"), caller(channel, WATCH, "unary_stream")
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_a_server_that_has_started_serves_each_of_its_services() -> None:
    async with started() as (_, check, _watch):
        for service in ("", ECHO):
            assert (await check(CHECK.request(service=service), timeout=PATIENCE)).status == ServingStatus.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(CHECK.request(service="nobody"), timeout=PATIENCE)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "this server has no service 'nobody'")


async def test_whoever_watches_is_told_of_every_change_and_of_the_end() -> None:
    async with started() as (app, _, watch):
        call = watch(WATCH.request(service=ECHO), timeout=PATIENCE)
        assert (await call.read()).status == ServingStatus.SERVING
        assert app.health is not None
        app.health.set("", ServingStatus.NOT_SERVING)  # of something else
        app.health.set(ECHO, ServingStatus.NOT_SERVING)
        assert (await call.read()).status == ServingStatus.NOT_SERVING
        app.health.set(ECHO, ServingStatus.SERVING)
        assert (await call.read()).status == ServingStatus.SERVING
        closing = asyncio.ensure_future(app.close(PATIENCE * 10))
        assert (await call.read()).status == ServingStatus.NOT_SERVING
        async with asyncio.timeout(PATIENCE):
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            await closing


async def test_a_name_that_is_not_served_may_be_watched() -> None:
    async with started() as (_, _check, watch):
        call = watch(WATCH.request(service="nobody"), timeout=PATIENCE)
        assert (await call.read()).status == ServingStatus.SERVICE_UNKNOWN
        call.cancel()


async def test_only_what_is_served_has_a_state_to_set() -> None:
    async with started() as (app, _, _watch):
        assert app.health is not None
        with pytest.raises(KeyError, match="this server has no service 'nobody'"):
            app.health.set("nobody", ServingStatus.SERVING)


class OwnHealth(Service):
    """A health service of the application's own, under the name of the standard one."""

    spec = ServiceSpec(name="grpc.health.v1.Health", methods=(CHECK,), attributes={"Check": "check"})

    async def check(self, request: Any, ctx: Any) -> Any:
        return CHECK.response(status=ServingStatus.NOT_SERVING)


async def test_a_health_service_of_the_applications_own_is_served_in_place_of_the_standard_one() -> None:
    async with App() as app:
        app.add(Echo(), OwnHealth())
        await app.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(app.address) as channel:
            check = caller(channel, CHECK, "unary_unary")
            assert (await check(CHECK.request(), timeout=PATIENCE)).status == ServingStatus.NOT_SERVING
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
