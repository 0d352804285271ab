"""The server's default stack over real sockets."""

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath._app.server_stack import ServerStack
from towpath._app.settings.server_options import AdmissionOptions
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.decisions import reason_of
from towpath._core.errors import SetupError
from towpath._layers.admission.wait_limits import QueueOptions
from towpath._layers.bucket import Rate
from towpath._layers.bulkhead import Bulkhead, Compartment
from towpath._layers.quota import Quota, RateLimit
from towpath._telemetry.metrics import CallMetrics


async def test_a_server_in_admission_serves_what_it_can():
    async with App(ServiceConfig(admission="on")) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"))).id == "a"


class Counting(Echo):
    """Counts the effects of Fail, which then fails once with what may be tried again."""

    def __init__(self) -> None:
        super().__init__()
        self.effects = 0

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        self.effects += 1
        return pb.FailResponse()


@pytest.mark.parametrize("setting", ["memory", "sqlite"])
async def test_calls_with_one_key_have_one_effect(setting, tmp_path):
    echo, file = Counting(), tmp_path / "keys.db"
    config = ServiceConfig(idempotency="memory" if setting == "memory" else f"sqlite:///{file}")
    async with App(config) as app:
        app.add(echo)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            for _ in range(3):
                await client.fail(pb.FailRequest(code=1), CallOptions(idempotency_key="k"))
            with pytest.raises(RpcError) as caught:
                await client.fail(pb.FailRequest(code=2), CallOptions(idempotency_key="k"))
            await client.fail(pb.FailRequest(code=1))
        told = app.metrics.registry.get_sample_value(
            "towpath_decisions_total",
            {"rpc_method": "echo.v1.EchoService/Fail", "role": "idempotency", "reason": "REPLAYED", "shadow": "false"},
        )
    assert (echo.effects, told) == (2, 2)
    assert reason_of(caught.value) == "KEY_REUSED"
    assert file.exists() is (setting == "sqlite")


async def test_without_a_store_keys_mean_nothing():
    echo = Counting()
    async with App(ServiceConfig(idempotency="off")) as app:
        app.add(echo)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            for _ in range(2):
                await EchoServiceClient(channel).fail(pb.FailRequest(code=1), CallOptions(idempotency_key="k"))
    assert echo.effects == 2


async def test_a_store_that_cannot_be_opened_is_told_before_a_call_is_taken(tmp_path):
    async with App(ServiceConfig(idempotency=f"sqlite:///{tmp_path}/nowhere/keys.db")) as app:
        app.add(Echo())
        with pytest.raises(SetupError, match=r"keys\.db could not be opened"):
            await app.start("127.0.0.1", 0)
        assert not app.address


async def test_an_application_s_own_layers_stand_between_admission_and_handler():
    layers = (
        RateLimit(quota_of=lambda method: Quota(rate=Rate(per_second=0.001, burst=2)) if method.name == "Say" else None),
        Bulkhead(compartment_of=lambda _: Compartment(max_concurrent=5, group="all")),
    )
    async with App(layers=layers) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            for _ in range(2):
                await client.say(pb.SayRequest())
            with pytest.raises(RpcError) as caught:
                await client.say(pb.SayRequest())
    assert (caught.value.code, reason_of(caught.value)) == (Code.RESOURCE_EXHAUSTED, "RATE_LIMIT")


def test_admission_goes_on_with_what_it_has_learned_until_its_limits_are_others():
    stack = ServerStack(CallMetrics())

    def admission(**settings: object) -> object:
        layers = stack.layers(ServiceConfig(**settings), Echo.spec.methods)
        return next((layer for layer in layers if layer.role == "admission"), None)

    first = admission()
    assert admission(admission="off") is None
    assert admission(admission="shadow") is first
    assert admission(admission_options=AdmissionOptions()) is first
    other = admission(admission_options=AdmissionOptions(queue=QueueOptions(max_length=1)))
    assert other is not first
    assert admission(admission_options=AdmissionOptions(queue=QueueOptions(max_length=1))) is other
