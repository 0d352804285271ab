"""What is ill at a target, and that it fails no call but those which are ill themselves: the default stack over real sockets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath._app.client import Channel
from towpath._app.settings.quotas_and_bulkheads import NamedQuota
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.decisions import reason_of
from towpath._layers.quota import Quota, Rate
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions

TURNS = ChannelOptions(balancer="round_robin", slow_start=0)
PATIENT = CallOptions(timeout=PATIENCE, wait_for_ready=True)
MANY = 60
SEVERAL = pytest.mark.parametrize("servers", [1, 2, 5])


@asynccontextmanager
async def target(servers: int, echo: type[Echo] = Echo, config: ServiceConfig | None = None) -> AsyncIterator[Channel]:
    """A channel that is connected to so many servers."""
    async with AsyncExitStack() as stack:
        addresses: list[str] = []
        for _ in range(servers):
            app = await stack.enter_async_context(App(config))
            app.add(echo())
            await app.start("127.0.0.1", 0)
            addresses.append(app.address)
        channel = connect("static:///" + ",".join(addresses), metrics=CallMetrics(), options=TURNS)
        yield await stack.enter_async_context(channel)


async def failing(call: Any, code: Code, count: int = MANY) -> None:
    """Call so often; each of them comes to `code`, from the server."""
    for _ in range(count):
        with pytest.raises(RpcError) as caught:
            await call()
        assert caught.value.code is code
        assert "not sent" not in caught.value.message


async def all_answered(client: EchoServiceClient, options: CallOptions = PATIENT, count: int = MANY) -> None:
    for number in range(count):
        assert (await client.say(pb.SayRequest(n=number), options)).n == number


@SEVERAL
@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED])
async def test_a_method_that_always_fails_leaves_the_others_alone(servers: int, code: Code) -> None:
    request = pb.FailRequest(code=code, message="a bug of this method")
    async with target(servers) as channel:
        client = EchoServiceClient(channel)
        await failing(lambda: client.fail(request, PATIENT), code)
        await all_answered(client)


class Waiting(Echo):
    """Say never answers whom it is told to let wait."""

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        if request.id == "wait":
            await self.sleep(pb.SleepRequest(seconds=FOREVER), ctx)
        return await super().say(request, ctx)


@SEVERAL
async def test_a_caller_with_little_patience_leaves_the_others_alone_even_with_its_own_method(servers: int) -> None:
    async with target(servers, Waiting) as channel:
        client = EchoServiceClient(channel)
        await all_answered(client, count=10)
        hurry = CallOptions(timeout=0.01)
        await failing(lambda: client.say(pb.SayRequest(id="wait"), hurry), Code.DEADLINE_EXCEEDED, 40)
        await all_answered(client)


@SEVERAL
async def test_a_tenant_that_has_used_up_its_quota_leaves_the_others_alone(servers: int) -> None:
    quota = Quota(rate=Rate(per_second=0.001, burst=1))
    names = ("EchoService/Inspect",)
    config = ServiceConfig(quotas=(NamedQuota(quota=quota, methods=names, where="quotas.all"),))
    async with target(servers, config=config) as channel:
        client = EchoServiceClient(channel)
        noisy = CallOptions(timeout=PATIENCE, tenant="noisy")
        refused = 0
        for _ in range(MANY):
            try:
                await client.inspect(pb.InspectRequest(), noisy)
            except RpcError as error:
                assert reason_of(error) == "RATE_LIMIT"
                refused += 1
        assert refused >= MANY - servers
        good = CallOptions(timeout=PATIENCE, tenant="good", wait_for_ready=True)
        assert (await client.inspect(pb.InspectRequest(), good)).tenant == "good"
        await all_answered(client, good)


async def test_a_target_that_is_back_after_a_long_outage_is_asked_in_full(port: int) -> None:
    now = clock.now()
    with clock.using(lambda: now):
        app = App()
        app.add(Echo())
        await app.start("127.0.0.1", port)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await all_answered(client, count=10)
            await app.close(0)
            for _ in range(MANY):
                now += 0.2
                with pytest.raises(RpcError, match="cannot connect"):
                    await client.say(pb.SayRequest(), CallOptions(timeout=PATIENCE))
            async with App() as again:
                again.add(Echo())
                await again.start("127.0.0.1", port)
                now += 1.3
                await all_answered(client, CallOptions(timeout=PATIENCE))
