"""`[quotas]` and `[bulkheads]`, from the file to a call that is one too many."""

import asyncio
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from stream.v1.stream_towpath import StreamService

from tests.echo_service import FOREVER, Echo
from towpath import App, CallOptions, Code, RpcError, connect
from towpath._app.settings.quotas_and_bulkheads import by_method, rate_store_of
from towpath._app.settings.service_file import load
from towpath._core.decisions import reason_of
from towpath._core.errors import SetupError
from towpath._layers.bucket import Rate
from towpath._stores.redis_rates import RedisRates
from towpath._telemetry.metrics import CallMetrics

METHODS = (*EchoService.spec.methods, *StreamService.spec.methods)


@pytest.fixture
def read(tmp_path):
    def reading(text: str):
        path = tmp_path / "towpath.toml"
        path.write_text(text)
        return load(path, {})

    return reading


def test_a_method_has_its_own_entry_else_its_services(read):
    config = read(
        """
        [quotas.all]
        methods = ["EchoService", "stream.v1.StreamService"]
        per_second = 50
        burst = 100
        [quotas.say]
        methods = ["echo.v1.EchoService/Say", "EchoService/Fail"]
        per_second = 0.5
        shadow = true
        """
    )
    found = by_method(config.quotas, METHODS)
    assert {name for name, entry in found.items() if entry.where.endswith("quotas.say")} == {
        "echo.v1.EchoService/Say",
        "echo.v1.EchoService/Fail",
    }
    assert len(found) == len(METHODS)
    everywhere, say = found["echo.v1.EchoService/Sleep"].quota, found["echo.v1.EchoService/Say"].quota
    assert (everywhere.rate, everywhere.shadow) == (Rate(per_second=50, burst=100), False)
    assert (say.rate, say.shadow) == (Rate(per_second=0.5), True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[quotas.a]\nmethods = ['EchoService']\nper_second = 0", "quotas.a: per_second is 0; give more than 0"),
        ("[quotas.a]\nmethods = ['EchoService']\nper_second = 1\nburst = 0.5", "quotas.a: burst is 0.5; give 1 or more"),
        ("[quotas.a]\nmethods = []\nper_second = 1", "quotas.a.methods: is empty; name methods"),
        ("[quotas.a]\nper_second = 1", "quotas.a.methods is missing"),
        ("[quotas.a]\nmethods = ['EchoService']\nper_second = 'many'", "quotas.a.per_second: expected `float`"),
        ("[quotas.a]\nmethods = ['EchoService']\nper_minute = 1", "unknown key quotas.a.per_minute; known keys here"),
        ("[bulkheads.b]\nmethods = ['EchoService']\nmax_concurrent = 0", "bulkheads.b: max_concurrent is 0; give 1 or more"),
        ("[bulkheads.b]\nmethods = []\nmax_concurrent = 1", "bulkheads.b.methods: is empty"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_field(read, text, message):
    with pytest.raises(SetupError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "towpath.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (["EchoService/Sya"], "quotas.a.methods: nothing that is served here is called 'EchoService/Sya'"),
        (["EkoService"], "is called 'EkoService'; did you mean 'EchoService'"),
        (["ehco.v1.EchoService/Say"], "is called 'ehco.v1.EchoService/Say'; did you mean 'echo.v1.EchoService'"),
        (["OService"], "is called 'OService'"),
        (["EchoService/Say", "/EchoService/Say"], None),
    ],
)
def test_a_method_that_nobody_serves_is_named_with_what_is_near(read, methods, message):
    config = read(f"[quotas.a]\nmethods = {methods}\nper_second = 1")
    if message is None:
        assert list(by_method(config.quotas, METHODS)) == ["echo.v1.EchoService/Say"]
        return
    with pytest.raises(SetupError) as caught:
        by_method(config.quotas, METHODS)
    assert message in str(caught.value)


@pytest.mark.parametrize("asked", ["EchoService/Say", "EchoService"])
def test_two_entries_of_one_method_are_refused(read, asked):
    text = "".join(f"[bulkheads.{name}]\nmethods = ['{asked}']\nmax_concurrent = 1\n" for name in ("a", "b"))
    with pytest.raises(SetupError, match=r"bulkheads.b.methods: echo.v1.EchoService/\w+ is among those of .*bulkheads.a, too"):
        by_method(read(text).bulkheads, METHODS)


def test_a_service_that_two_packages_have_is_to_be_written_out(read):
    config = read("[quotas.a]\nmethods = ['EchoService']\nper_second = 1")
    other = [type(spec)(service="other.v1.EchoService", name="Say", request=spec.request, response=spec.response) for spec in METHODS[:1]]
    with pytest.raises(SetupError, match=r"EchoService is ambiguous: echo.v1.EchoService, other.v1.EchoService; write one of them out"):
        by_method(config.quotas, [*METHODS, *other])


def test_a_store_is_named_by_its_address():
    assert rate_store_of("local", "here") is None
    assert isinstance(rate_store_of("redis://127.0.0.1:1/0", "here"), RedisRates)
    with pytest.raises(SetupError, match=r'^here: does not name a store; give "local" or "redis://..."$'):
        rate_store_of("postgresql://user:secret@host", "here")


async def test_a_tenant_is_held_to_its_quota_and_a_bulkhead_to_its_places(read):
    config = read(
        """
        [quotas.say]
        methods = ["EchoService/Say"]
        per_second = 0.001
        burst = 2
        [quotas.inspect]
        methods = ["EchoService/Inspect"]
        per_second = 0.001
        shadow = true
        [bulkheads.slow]
        methods = ["EchoService/Sleep", "EchoService/Fail"]
        max_concurrent = 1
        """
    )
    echo = Echo()
    async with App(config) as app:
        app.add(echo)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)
            for _ in range(2):
                await client.say(pb.SayRequest(), CallOptions(tenant="acme"))
            with pytest.raises(RpcError) as beyond:
                await client.say(pb.SayRequest(), CallOptions(tenant="acme"))
            await client.say(pb.SayRequest(), CallOptions(tenant="umbrella"))
            for _ in range(3):
                await client.inspect(pb.InspectRequest())
            held = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), CallOptions(timeout=60)))
            await echo.until(lambda: echo.seen["sleep"] == 1)
            with pytest.raises(RpcError) as full:
                await client.fail(pb.FailRequest(code=5))
            echo.release.set()
            await held
        decided = {
            tuple(sample.labels[name] for name in ("role", "reason", "shadow")): sample.value
            for family in app.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "towpath_decisions_total" and sample.labels["role"] in ("quota", "bulkhead")
        }
    assert (beyond.value.code, reason_of(beyond.value)) == (Code.RESOURCE_EXHAUSTED, "RATE_LIMIT")
    assert (full.value.code, reason_of(full.value)) == (Code.RESOURCE_EXHAUSTED, "BULKHEAD_FULL")
    assert "1 calls of slow are under way" in full.value.message
    assert decided == {
        ("quota", "RATE_LIMIT", "false"): 1,
        ("quota", "RATE_LIMIT", "true"): 2,
        ("bulkhead", "BULKHEAD_FULL", "false"): 1,
    }


async def test_a_service_does_not_start_with_limits_of_what_it_does_not_serve(read):
    async with App(read("[quotas.a]\nmethods = ['WeatherService']\nper_second = 1")) as app:
        app.add(Echo())
        with pytest.raises(SetupError, match=r"towpath.toml: quotas.a.methods: nothing that is served here is called 'WeatherService'"):
            await app.start("127.0.0.1", 0)


def test_no_address_is_shown(read):
    config = read('[service]\nquota_store = "redis://:secret@cache/0"')
    assert "secret" not in repr(config)
    assert isinstance(config.source, Path)


def test_a_bulkhead_with_the_former_name_of_its_bound_still_holds(read, caplog):
    (entry,) = read("[bulkheads.b]\nmethods = ['EchoService']\nmost = 3").bulkheads
    assert entry.compartment.max_concurrent == 3
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "towpath.toml: bulkheads.b.most is called max_concurrent now" in warning
