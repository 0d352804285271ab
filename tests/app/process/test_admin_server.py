"""The admin listener as a probe and a scraper see it."""

import asyncio
import socket
import urllib.error
import urllib.request

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from prometheus_client.parser import text_string_to_metric_families

from tests.echo_service import PATIENCE, Echo
from towpath import App, SetupError, connect
from towpath._app.process.admin_server import MAX_CONNECTIONS, admin
from towpath._transport import Address

FREE = Address("127.0.0.1", 0)


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=120) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def ask(address: str, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(fetch, f"http://{address}{path}")


async def test_readiness_follows_the_application_and_liveness_does_not() -> None:
    app = App()
    async with admin(app, FREE) as address:
        assert await ask(address, "/readyz") == (503, "starting\n")
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        assert await ask(address, "/readyz") == (200, "serving\n")
        await app.close()
        assert await ask(address, "/readyz") == (503, "stopping\n")
        assert await ask(address, "/livez") == (200, "ok\n")


async def test_the_metrics_are_those_of_the_application() -> None:
    app = App()
    async with app, admin(app, FREE) as address:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        status, text = await ask(address, "/metrics")
        names = {family.name for family in text_string_to_metric_families(text)}
        assert status == 200
        assert "rpc_server_call_duration_seconds" in names


async def test_nothing_else_is_served_there() -> None:
    async with admin(App(), FREE) as address:
        assert (await ask(address, "/"))[0] == 404
        assert (await ask(address, "/metrics/x"))[0] == 404


async def test_a_port_in_use_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(*taken.getsockname())
        with pytest.raises(SetupError, match=r"service\.admin"):
            async with admin(App(), address):
                pytest.fail("it listens")


async def test_clients_that_say_nothing_keep_no_probe_from_its_answer() -> None:
    async with admin(App(), FREE) as address:
        host, port = address.split(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(2 * MAX_CONNECTIONS)]
        for _, writer in silent:
            writer.write(b"GET /live")
        assert await ask(address, "/livez") == (200, "ok\n")
        first, writer = silent[0]
        async with asyncio.timeout(PATIENCE):
            assert await first.read() == b""
        for _, writer in silent:
            writer.close()
