"""Calls of methods that a server does not have are counted together: their names are the callers' choice."""

import asyncio
import urllib.error
import urllib.request

import grpc
import pytest
from prometheus_client import CollectorRegistry

from tests.call_counts import call_samples
from tests.echo_service import Echo
from towpath import App
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Server
from towpath._wire.cors import CorsOptions


async def over_grpc(address: str, path: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(path)(b"", timeout=120)
        assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def over_http(address: str, path: str, content_type: str | None) -> int:
    headers = {"origin": "https://shop.example", **({"content-type": content_type} if content_type else {})}
    request = urllib.request.Request(f"http://{address}{path}", b"{}" if content_type else None, headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def unknown(registry: CollectorRegistry) -> float:
    found = call_samples(registry, "server", "_count", rpc_method="_OTHER", rpc_status_code="UNIMPLEMENTED", error_type="UNIMPLEMENTED")
    return sum(found.values())


@pytest.mark.parametrize("cors", [None, CorsOptions(origins=("https://shop.example",))], ids=["", "for pages"])
async def test_each_call_of_a_method_that_is_not_there_is_counted_as_other(cors: CorsOptions | None) -> None:
    metrics = CallMetrics()
    server = Server([Echo()], layers=(metrics.server,), cors=cors)
    await server.start("127.0.0.1", 0)
    try:
        for path in ("/echo.v1.EchoService/Nothing", "/no.Service/At", "/no.Service/At"):
            await over_grpc(server.address, path)
        assert unknown(metrics.registry) == 3
        for content_type in ("application/json", "application/grpc-web+proto"):
            await asyncio.to_thread(over_http, server.address, "/no.Service/At", content_type)
        assert unknown(metrics.registry) == 5
        assert await asyncio.to_thread(over_http, server.address, "/favicon.ico", None) == 404  # no call
        assert unknown(metrics.registry) == 5
    finally:
        await server.close(0)


async def test_they_are_counted_after_a_change_of_settings_too() -> None:
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        await over_grpc(app.address, "/no.Service/At")
        app.reload(ServiceConfig(admission="off"))
        await over_grpc(app.address, "/no.Service/At")
        assert unknown(app.metrics.registry) == 2
