"""The client's default stack over real sockets: what it tries again, and what it keeps from spreading."""

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo, Relay
from towpath import App, Code, Context, RpcError, connect
from towpath.app.config import ServiceConfig
from towpath.telemetry.metrics import CallMetrics

SAY = "echo.v1.EchoService/Say"


class Failing(Echo):
    """Answers the first `failures` calls of Say with UNAVAILABLE."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.attempts: list[int] = []

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        self.attempts.append(ctx.attempt)
        if len(self.attempts) <= self.failures:
            raise RpcError(Code.UNAVAILABLE, "not now")
        return await super().say(request, ctx)


def decided(metrics: CallMetrics, role: str, reason: str) -> float | None:
    labels = {"rpc_method": SAY, "role": role, "reason": reason, "shadow": "false"}
    return metrics.registry.get_sample_value("towpath_decisions_total", labels)


async def test_a_call_that_failed_is_tried_again_and_says_so():
    failing, metrics = Failing(2), CallMetrics()
    async with App() as app:
        app.add(failing)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=metrics) as channel:
            answer = await EchoServiceClient(channel).say(pb.SayRequest(id="a"))
    assert answer.id == "a"
    assert failing.attempts == [0, 1, 2]
    assert decided(metrics, "retry", "ATTEMPT") == 2


async def test_only_the_hop_above_the_fault_tries_again():
    bottom, metrics = Failing(1000), CallMetrics()
    async with App() as last:
        last.add(bottom)
        await last.start("127.0.0.1", 0)
        async with App(ServiceConfig(targets={"next": last.address})) as middle:
            relay = Relay(EchoServiceClient(middle.channel("next")))
            middle.add(relay)
            await middle.start("127.0.0.1", 0)
            async with App(ServiceConfig(targets={"next": middle.address})) as first:
                edge = Relay(EchoServiceClient(first.channel("next")))
                first.add(edge)
                await first.start("127.0.0.1", 0)
                async with connect(first.address, metrics=metrics) as channel:
                    with pytest.raises(RpcError, match="not now") as caught:
                        await EchoServiceClient(channel).say(pb.SayRequest())
        assert (edge.seen["say"], relay.seen["say"], bottom.attempts) == (1, 1, [0, 1, 2])
        assert caught.value.pushback == -1.0
        assert decided(metrics, "retry", "PUSHBACK") == 1
        assert decided(middle.metrics, "retry", "ATTEMPTS_EXHAUSTED") == 1
