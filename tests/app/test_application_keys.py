"""Keys that a contract asks for: with AUTO one for each logical call, with REQUIRED none without, over real sockets and every protocol."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from payment.v1 import payment_pb2 as pb
from payment.v1.payment_towpath import PaymentService, PaymentServiceClient, PaymentServiceSyncClient

from tests.echo_service import PATIENCE, turn_until
from tests.logs import told
from tests.relay import relay
from towpath import App, CallOptions, Code, Context, Decision, RpcError, SetupError, connect, connect_sync, forward
from towpath._app.client import Channel
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.decisions import reason_of
from towpath._layers.idempotency.idempotency import CONCURRENT_DUPLICATE
from towpath._stores.sqlite import SqliteStore
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel as BareChannel
from towpath._transport import ChannelOptions

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
PATIENT = CallOptions(timeout=PATIENCE)


class Payments(PaymentService):
    """Notes the key of each effect, and then waits for what `after` gives."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.after: Callable[[], asyncio.Future[None]] | None = None

    async def charge(self, request: pb.ChargeRequest, ctx: Context) -> pb.ChargeResponse:
        return pb.ChargeResponse(number=await self._effect(ctx))

    async def refund(self, request: pb.RefundRequest, ctx: Context) -> pb.RefundResponse:
        return pb.RefundResponse(number=await self._effect(ctx))

    async def _effect(self, ctx: Context) -> int:
        self.keys.append(ctx.idempotency_key)
        number = len(self.keys)
        if self.after is not None:
            await self.after()
        return number


@asynccontextmanager
async def serving(service: Any, **config: Any) -> AsyncIterator[App]:
    async with App(ServiceConfig(**config)) as app:
        app.add(service)
        await app.start("127.0.0.1", 0)
        yield app


def client_of(address: str, protocol: Any = "grpc") -> Channel:
    return connect(address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol))


@PROTOCOLS
async def test_a_reply_that_is_lost_is_asked_for_again_and_the_effect_is_had_once(protocol: str) -> None:
    payments = Payments()
    lost: list[bytes] = []

    def loses(reply: bytes) -> bool:
        if payments.keys and not lost:
            lost.append(reply)
            return True
        return False

    async with serving(payments) as app, relay(app.address) as way, client_of(way.address, protocol) as channel:
        way.loses = loses
        client = PaymentServiceClient(channel)
        assert (await client.charge(pb.ChargeRequest(cents=5), PATIENT)).number == 1
        assert lost
        assert (await client.charge(pb.ChargeRequest(cents=5), PATIENT)).number == 2  # another call is another effect
    first, second = payments.keys
    assert first != second
    assert len(first) == 32


async def test_a_call_that_was_at_work_when_its_connection_was_lost_is_repeated_with_its_key() -> None:
    payments = Payments()
    async with serving(payments) as app, relay(app.address) as way, client_of(way.address) as channel:

        def cut() -> asyncio.Future[None]:
            payments.after = None
            way.cut()
            return asyncio.get_running_loop().create_future()  # until the server cancels it

        payments.after = cut
        assert (await PaymentServiceClient(channel).charge(pb.ChargeRequest(cents=5), PATIENT)).number == 2
    assert len(payments.keys) == 2
    assert len(set(payments.keys)) == 1  # the first was cancelled, and its key released


@PROTOCOLS
async def test_the_callers_own_key_wins_and_is_not_needed(protocol: str) -> None:
    payments = Payments()
    async with serving(payments) as app, client_of(app.address, protocol) as channel:
        client = PaymentServiceClient(channel)
        mine = CallOptions(timeout=PATIENCE, idempotency_key="mine")
        assert [(await client.charge(pb.ChargeRequest(), mine)).number for _ in range(2)] == [1, 1]
        with pytest.raises(RpcError, match="used for another request"):
            await client.charge(pb.ChargeRequest(cents=7), mine)
    assert payments.keys == ["mine"]


async def test_every_kind_of_client_makes_keys() -> None:
    payments = Payments()
    async with serving(payments) as app:
        async with BareChannel(app.address) as bare:
            await PaymentServiceClient(bare).charge(pb.ChargeRequest(), PATIENT)

        def ask() -> None:
            with connect_sync(app.address, metrics=CallMetrics()) as channel:
                PaymentServiceSyncClient(channel).charge(pb.ChargeRequest(), PATIENT)

        await asyncio.to_thread(ask)
        async with (
            client_of(app.address) as onward,
            serving(forward(PaymentService, onward), idempotency="off") as edge,
            client_of(edge.address) as channel,
        ):
            await PaymentServiceClient(channel).charge(pb.ChargeRequest(), PATIENT)
            await PaymentServiceClient(channel).charge(pb.ChargeRequest(), CallOptions(timeout=PATIENCE, idempotency_key="mine"))
    assert payments.keys[-1] == "mine"
    assert all(len(key) == 32 for key in payments.keys[:-1])
    assert len(set(payments.keys)) == 4


@pytest.mark.parametrize("kept", ["memory", "by a gateway's server"])
@PROTOCOLS
async def test_a_call_without_the_key_that_is_required_is_told_how_to_send_one(protocol: str, kept: str) -> None:
    payments = Payments()
    async with (
        serving(payments) as behind,
        client_of(behind.address) as onward,
        serving(forward(PaymentService, onward), idempotency="off") as edge,
        client_of(behind.address if kept == "memory" else edge.address, protocol) as channel,
    ):
        client = PaymentServiceClient(channel)
        with pytest.raises(RpcError, match=r"send the header idempotency-key \(CallOptions") as caught:
            await client.refund(pb.RefundRequest(), PATIENT)
        assert (caught.value.code, reason_of(caught.value)) == (Code.INVALID_ARGUMENT, "KEY_MISSING")
        assert payments.keys == []
        assert (await client.refund(pb.RefundRequest(), CallOptions(timeout=PATIENCE, idempotency_key="k"))).number == 1


async def test_nor_does_rest_go_without_it() -> None:
    payments = Payments()
    async with serving(payments) as app:
        status, problem = await post(app.address, "/v1/refunds")
        assert (status, problem["code"]) == (400, "INVALID_ARGUMENT")
        assert "header idempotency-key" in problem["detail"]
        assert [await post(app.address, "/v1/refunds", "k") for _ in range(2)] == [(200, {"number": "1"})] * 2
        assert await post(app.address, "/v1/charges") == (200, {"number": "2"})
    assert payments.keys == ["k", ""]


async def post(address: str, path: str, key: str = "") -> tuple[int, Any]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    fields = f"idempotency-key: {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n{fields}\r\n"
    writer.write(f"{head}{{}}".encode())
    answer = await reader.read()
    writer.close()
    status, _, body = answer.partition(b"\r\n\r\n")
    return int(status.split()[1]), json.loads(body)


async def test_a_service_that_keeps_no_answers_for_keys_that_its_contract_declares_does_not_start() -> None:
    async with App(ServiceConfig(idempotency="off")) as app:
        app.add(Payments())
        with pytest.raises(SetupError, match=r"idempotency: is \"off\", and the contract of payment.v1.PaymentService/Charge"):
            await app.start("127.0.0.1", 0)


async def test_workers_need_a_store_that_they_share(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "towpath.app")
    async with App(ServiceConfig(workers=2, worker=0)) as app:
        app.add(Payments())
        with pytest.raises(SetupError, match="each of the 2 workers has for itself"):
            await app.start("127.0.0.1", 0)
    async with App(ServiceConfig(workers=2, worker=0), idempotency=SqliteStore(tmp_path / "keys.db")) as app:
        app.add(Payments())
        await app.start("127.0.0.1", 0)
    assert told(caplog) == []


async def test_two_attempts_at_one_key_at_two_processes_come_to_one_effect(tmp_path: Path) -> None:
    first, second = Payments(), Payments()
    gate = asyncio.get_running_loop().create_future()
    first.after = lambda: gate
    file = tmp_path / "keys.db"
    told: list[Decision] = []
    async with (
        App(idempotency=SqliteStore(file)) as one,
        App(idempotency=SqliteStore(file), on_decision=told.append) as other,
    ):
        for app, service in ((one, first), (other, second)):
            app.add(service)
            await app.start("127.0.0.1", 0)
        mine = CallOptions(timeout=PATIENCE, idempotency_key="mine")
        async with client_of(one.address) as here, client_of(other.address) as there:
            running = asyncio.create_task(PaymentServiceClient(here).charge(pb.ChargeRequest(), mine))
            await turn_until(lambda: bool(first.keys))

            async def repeat() -> int:
                while True:
                    try:
                        return (await PaymentServiceClient(there).charge(pb.ChargeRequest(), mine)).number
                    except RpcError as error:  # so often was it told to come again
                        assert error.code is Code.ABORTED

            repeated = asyncio.create_task(repeat())
            await turn_until(lambda: CONCURRENT_DUPLICATE in {decision.reason for decision in told})
            gate.set_result(None)
            assert (await running).number == await repeated == 1
    assert (first.keys, second.keys) == (["mine"], [])
