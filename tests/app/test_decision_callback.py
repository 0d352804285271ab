"""An application hears of each decision, once, and whatever it makes of one ends no call."""

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient, EchoServiceSyncClient

from tests.echo_service import Echo
from towpath import App, CallOptions, Code, RpcError, SetupError, connect, connect_sync
from towpath._app.decision_callback import with_callback
from towpath._app.settings.quotas_and_bulkheads import NamedQuota
from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, reason_of
from towpath._layers.bucket import Rate
from towpath._layers.deadline import EXPIRED
from towpath._layers.quota import RATE_LIMIT, Quota
from towpath._telemetry.metrics import CallMetrics
from towpath.testing import Simulation, simulate

DECISION = Decision("a.B/C", "quota", RATE_LIMIT, shadow=False, ctx=Context("a.B/C"), rejected=True)
TOO_LATE = CallOptions(timeout=1e-12)
"""Over before the call is sent."""


def counted(metrics: CallMetrics) -> dict[tuple[str, str], float]:
    """How many decisions there were, by role and reason."""
    family = next(family for family in metrics.registry.collect() if family.name == "towpath_decisions")
    return {(sample.labels["role"], sample.labels["reason"]): sample.value for sample in family.samples}


def quotas(**options: Any) -> ServiceConfig:
    quota = NamedQuota(where="a test", methods=("echo.v1.EchoService/Say",), quota=Quota(rate=Rate(per_second=0.001, burst=1)))
    return ServiceConfig(quotas=(quota,), **options)


def failing(_: Decision) -> None:
    raise ValueError("the collector is gone")


def test_without_a_callback_only_the_counter_is_told() -> None:
    counter = list[Decision]().append
    assert with_callback(counter, None) is counter


def test_counter_and_callback_are_told_of_the_same_decision() -> None:
    counted_, heard = list[Decision](), list[Decision]()
    with_callback(counted_.append, heard.append)(DECISION)
    assert counted_ == heard == [DECISION]


def test_what_a_callback_raises_is_logged_once_a_minute_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    counter = list[Decision]()
    signal = with_callback(counter.append, failing)
    with caplog.at_level(logging.ERROR, "towpath.app"):
        for seconds, reason, logged in [(0, "A", 1), (1, "A", 1), (1, "B", 2), (59.9, "A", 2), (60, "A", 3), (60, "B", 3), (61, "B", 4)]:
            with clock.using(lambda at=1000.0 + seconds: at):
                signal(DECISION._replace(reason=reason))
            assert len(caplog.records) == logged
    assert len(counter) == 7
    record = caplog.records[0]
    assert record.getMessage().startswith("on_decision failed (role quota, reason A)")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the collector is gone"


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, asyncio.CancelledError, BaseException])
def test_no_error_of_a_callback_is_more_than_logged(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    def fails(_: Decision) -> None:
        raise error

    with_callback(list[Decision]().append, fails)(DECISION)
    assert len(caplog.records) == 1


def test_ctrl_c_in_a_callback_is_the_programs() -> None:
    def interrupted(_: Decision) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_callback(list[Decision]().append, interrupted)(DECISION)


def test_a_log_that_fails_too_harms_nobody() -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("the disk is full")

    log, broken = logging.getLogger("towpath.app"), Broken()
    log.addHandler(broken)
    try:
        with_callback(list[Decision]().append, failing)(DECISION)
    finally:
        log.removeHandler(broken)


async def a_coroutine(_: Decision) -> None:
    pass


async def an_iterator(_: Decision) -> AsyncIterator[None]:
    yield


class Awaitable:
    async def __call__(self, _: Decision) -> None:
        pass


@pytest.mark.parametrize("callback", [a_coroutine, an_iterator, partial(a_coroutine), Awaitable(), Awaitable().__call__])
async def test_what_is_async_is_refused_with_the_remedy(callback: Any) -> None:
    remedy = "give a plain function, which may put the decision into an asyncio.Queue"
    with pytest.raises(SetupError, match=remedy):
        App(on_decision=callback)
    with pytest.raises(SetupError, match=remedy):
        connect("127.0.0.1:1", on_decision=callback, metrics=CallMetrics())
    with pytest.raises(SetupError, match=remedy):
        connect_sync("127.0.0.1:1", on_decision=callback, metrics=CallMetrics())


async def test_a_rejected_call_is_heard_of_with_tenant_peer_and_request_id_and_counted_once() -> None:
    heard: list[Decision] = []
    async with App(quotas(), on_decision=heard.append) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), CallOptions(tenant="acme"))
            assert not heard
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest(), CallOptions(tenant="acme"))
    assert reason_of(caught.value) == RATE_LIMIT
    (decision,) = heard
    assert decision[:4] == ("echo.v1.EchoService/Say", "quota", RATE_LIMIT, False)
    assert decision.rejected
    assert decision.ctx is not None
    assert (decision.ctx.tenant, decision.ctx.peer.partition(":")[0], len(decision.ctx.request_id)) == ("acme", "127.0.0.1", 32)
    assert counted(app.metrics) == {("quota", RATE_LIMIT): 1}


async def test_a_callback_that_fails_changes_nothing_for_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    async with App(quotas(), on_decision=failing) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest())
            for _ in range(3):
                with pytest.raises(RpcError) as caught:
                    await client.say(pb.SayRequest())
                assert (caught.value.code, reason_of(caught.value)) == (Code.RESOURCE_EXHAUSTED, RATE_LIMIT)
    assert counted(app.metrics) == {("quota", RATE_LIMIT): 3}
    assert [record.name for record in caplog.records] == ["towpath.app"]


def test_a_connection_that_is_closed_for_its_silence_is_heard_of_by_the_application_too() -> None:
    heard: list[Decision] = []

    async def main(simulation: Simulation) -> CallMetrics:
        async with App(ServiceConfig(insecure=True), on_decision=heard.append) as app:
            app.add(Echo())
            await app.start(sock=simulation.node("server").listen(8080))
            reader, writer = await asyncio.open_connection("server", 8080)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            return app.metrics

    metrics = simulate(main)
    assert heard == [Decision("", "connections", "HEAD_TIMEOUT", shadow=False, ctx=None, rejected=True)]
    assert counted(metrics) == {("connections", "HEAD_TIMEOUT"): 1}


async def test_a_call_that_is_too_late_to_be_sent_is_heard_of_and_counted_under_the_deadline() -> None:
    heard, metrics = list[Decision](), CallMetrics()
    async with connect("127.0.0.1:1", metrics=metrics, on_decision=heard.append) as channel:
        with pytest.raises(RpcError) as caught:
            await EchoServiceClient(channel).say(pb.SayRequest(), TOO_LATE)
    assert (caught.value.code, reason_of(caught.value), caught.value.unprocessed) == (Code.DEADLINE_EXCEEDED, EXPIRED, True)
    (decision,) = heard
    assert decision[:4] == ("echo.v1.EchoService/Say", "deadline", EXPIRED, False)
    assert counted(metrics) == {("deadline", EXPIRED): 1}


async def test_an_application_hears_of_the_decisions_of_its_channels() -> None:
    heard: list[Decision] = []
    config = ServiceConfig(targets={"echo": "127.0.0.1:1"})
    async with App(config, on_decision=heard.append) as app:
        with pytest.raises(RpcError):
            await EchoServiceClient(app.channel("echo")).say(pb.SayRequest(), TOO_LATE)
    assert [decision.reason for decision in heard] == [EXPIRED]


def test_a_synchronous_client_has_a_callback_too() -> None:
    heard: list[Decision] = []
    with connect_sync("127.0.0.1:1", metrics=CallMetrics(), on_decision=heard.append) as channel, pytest.raises(RpcError):
        EchoServiceSyncClient(channel).say(pb.SayRequest(), TOO_LATE)
    assert [decision.reason for decision in heard] == [EXPIRED]
