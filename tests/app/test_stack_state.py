"""The state of a living stack, as a scrape sees it."""

import asyncio
import gc

import pytest
from echo.v1.echo_pb2 import FailRequest, SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.call_counts import call_samples
from tests.echo_service import Echo
from towpath import App, CallOptions, Code, RpcError, connect
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.telemetry.metrics import MetricsOptions
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._telemetry.metrics import CallMetrics

SAY = "echo.v1.EchoService/Say"


class Waits(Echo):
    """Its calls end when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.begun = asyncio.Event()

    async def say(self, request, ctx):
        self.begun.set()
        await self.go_on.wait()
        return await super().say(request, ctx)


def value(metrics: CallMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_servers_limits_are_read_at_each_scrape() -> None:
    echo = Waits()
    async with App() as app:
        app.add(echo)
        await app.start("127.0.0.1", 0)
        assert value(app.metrics, "towpath_admission_in_flight", rpc_method=SAY) == 0
        async with connect(app.address, metrics=CallMetrics()) as channel:
            calling = asyncio.create_task(EchoServiceClient(channel).say(SayRequest()))
            await echo.begun.wait()
            assert value(app.metrics, "towpath_admission_in_flight", rpc_method=SAY) == 1
            assert (value(app.metrics, "towpath_admission_limit", rpc_method=SAY) or 0) > 0
            assert value(app.metrics, "towpath_admission_queue_length", rpc_method=SAY) == 0
            assert value(app.metrics, "towpath_admission_oldest_wait_seconds", rpc_method=SAY) == 0
            echo.go_on.set()
            await calling
        assert value(app.metrics, "towpath_admission_in_flight", rpc_method=SAY) == 0


async def test_admission_that_is_off_tells_nothing() -> None:
    async with App(ServiceConfig(admission="off")) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        assert value(app.metrics, "towpath_admission_in_flight", rpc_method=SAY) is None


async def test_a_channels_budget_throttle_and_breakers_are_read_and_go_with_it() -> None:
    metrics = CallMetrics()
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        target = f"static:///{app.address},{app.address.replace('127.0.0.1', '127.0.0.2')}"
        channel = connect(target, metrics=metrics)
        async with channel:
            for _ in range(3):
                await EchoServiceClient(channel).say(SayRequest())
            assert value(metrics, "towpath_client_in_flight", service_peer_name=target) == 0
            assert (value(metrics, "towpath_retry_budget_balance", service_peer_name=target) or 0) > 0
            assert value(metrics, "towpath_throttle_probability", service_peer_name=target, criticality="critical") == 0
            states = {state: value(metrics, "towpath_breakers", service_peer_name=target, state=state) for state in ("closed", "open")}
            assert states["closed"] >= 2
            assert states["open"] is not None
    del channel
    gc.collect()
    assert value(metrics, "towpath_retry_budget_balance", service_peer_name=target) is None


async def test_two_channels_to_one_target_are_one_reading() -> None:
    metrics = CallMetrics()
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=metrics) as one, connect(app.address, metrics=metrics) as two:
            for channel in (one, two):
                await EchoServiceClient(channel).say(SayRequest())
            alone = CallMetrics()
            async with connect(app.address, metrics=alone) as third:
                await EchoServiceClient(third).say(SayRequest())
                balance = value(alone, "towpath_retry_budget_balance", service_peer_name=app.address)
            both = value(metrics, "towpath_retry_budget_balance", service_peer_name=app.address)
            assert both == pytest.approx(2 * (balance or 0), rel=0.1)
            assert value(metrics, "towpath_throttle_probability", service_peer_name=app.address, criticality="critical") == 0


async def test_received_calls_are_told_apart_by_tenant_where_that_is_asked_for() -> None:
    config = ServiceConfig(telemetry=TelemetryConfig(metrics=MetricsOptions(by=("tenant",))))
    async with App(config) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            for tenant in ("shop", "shop", "lab"):
                await client.say(SayRequest(), CallOptions(tenant=tenant))
            with pytest.raises(RpcError):
                await client.fail(FailRequest(code=Code.NOT_FOUND), CallOptions(tenant="lab"))
        registry = app.metrics.registry
        assert list(call_samples(registry, "server", "_count", rpc_method=SAY, tenant="shop").values()) == [2]
        assert list(call_samples(registry, "server", "_count", tenant="lab", rpc_status_code="NOT_FOUND").values()) == [1]


async def test_a_clients_peer_is_its_target() -> None:
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        metrics = CallMetrics()
        async with connect(app.address, metrics=metrics) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        found = call_samples(metrics.registry, "client", "_count", rpc_method=SAY, service_peer_name=app.address, rpc_system_name="grpc")
        assert list(found.values()) == [1]
