"""The golden path over real sockets: what `App` serves and `connect` calls, with the default stack on both sides."""

import asyncio
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from echo.v1.echo_pb2 import FailRequest, InspectRequest, SayRequest, SleepRequest
from echo.v1.echo_towpath import EchoServiceClient

import towpath
from tests.call_counts import counted_calls
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, Relay
from tests.library_service import Library
from towpath import App, CallOptions, Code, Criticality, RpcError, SetupError, connect
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.context import Context, enter, leave
from towpath._stores.sqlite import SqliteStore
from towpath._telemetry.metrics import CallMetrics


def counted(metrics: CallMetrics, side: str, method: str, code: str) -> float | None:
    return counted_calls(metrics.registry, side, f"echo.v1.EchoService/{method}", code)


async def test_a_call_is_answered_and_counted_on_both_sides():
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        metrics = CallMetrics()
        async with connect(app.address, metrics=metrics) as channel:
            client = EchoServiceClient(channel)
            assert (await client.say(SayRequest(id="a", tags=["x", "y"]))).text == "x,y"
            with pytest.raises(RpcError):
                await client.fail(FailRequest(code=Code.NOT_FOUND))
        assert counted(metrics, "client", "Say", "OK") == counted(app.metrics, "server", "Say", "OK") == 1
        assert counted(metrics, "client", "Fail", "NOT_FOUND") == counted(app.metrics, "server", "Fail", "NOT_FOUND") == 1


async def test_a_nested_call_inherits_everything_with_no_argument_passed():
    async with App() as inner:
        inner.add(Echo())
        await inner.start("127.0.0.1", 0)
        async with App(ServiceConfig(targets={"echo": inner.address})) as outer:
            relay = Relay(EchoServiceClient(outer.channel("echo")))
            outer.add(relay)
            await outer.start("127.0.0.1", 0)
            async with connect(outer.address, metrics=CallMetrics()) as channel:
                edge = Context("edge/Call", request_id="complaint-7", tenant="acme", criticality=Criticality.SHEDDABLE_PLUS)
                token = enter(edge)
                try:
                    seen = await EchoServiceClient(channel).inspect(
                        InspectRequest(), CallOptions(timeout=100.0, metadata=[("mine", "alone")])
                    )
                finally:
                    leave(token)
            assert 0 < seen.remaining <= 100
            assert (seen.criticality, seen.tenant, seen.request_id) == ("SHEDDABLE_PLUS", "acme", "complaint-7")
            assert seen.trace_id == edge.trace.trace_id
            assert seen.parent_id not in {"", edge.trace.span_id, relay.contexts[0].trace.span_id}
            assert not any(pair.key == "mine" for pair in seen.metadata)
            assert counted(outer.metrics, "client", "Inspect", "OK") == 1


async def test_a_call_that_is_too_late_never_leaves():
    async with connect("127.0.0.1:1", metrics=CallMetrics()) as channel:
        with pytest.raises(RpcError, match="before the call was sent") as caught:
            await EchoServiceClient(channel).say(SayRequest(), CallOptions(timeout=0))
    assert caught.value.code is Code.DEADLINE_EXCEEDED


async def test_a_running_call_ends_at_its_deadline_on_both_sides():
    async with App() as app:
        echo = Echo()
        app.add(echo)
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            client = EchoServiceClient(channel)

            async def attempt(seconds: float) -> None:
                with pytest.raises(RpcError) as caught:
                    await client.sleep(SleepRequest(seconds=FOREVER), CallOptions(timeout=seconds))
                assert caught.value.code is Code.DEADLINE_EXCEEDED

            await missed(attempt, lambda: echo.seen["sleep"])
        await app.close()
        assert echo.seen["sleep"] == echo.seen["cancelled"]
        # The server's deadline and the client's word that it has given up are due at the same moment: either may come first.
        ends = sum(counted(app.metrics, "server", "Sleep", code) or 0 for code in ("DEADLINE_EXCEEDED", "CANCELLED"))
        assert ends == echo.seen["sleep"]


async def test_an_unreachable_target_is_unavailable_and_named():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
        async with connect(target, metrics=CallMetrics()) as channel:
            with pytest.raises(RpcError, match=target) as caught:
                await EchoServiceClient(channel).say(SayRequest())
    assert caught.value.code is Code.UNAVAILABLE


async def test_close_lets_a_call_under_way_finish():
    app = App()
    echo = Echo()
    app.add(echo)
    await app.start("127.0.0.1", 0)
    async with connect(app.address, metrics=CallMetrics()) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(SleepRequest(seconds=0.05), CallOptions(timeout=PATIENCE)))
        await echo.until(lambda: echo.seen["sleep"] > 0)
        await app.close(grace=30)
        await call
    assert echo.seen == {"sleep": 1, "slept": 1}


async def test_a_channel_is_shared_by_all_who_name_its_target():
    async with App(ServiceConfig(targets={"flight_data": "127.0.0.1:9"})) as app:
        assert app.channel("flight-data") is app.channel("flight_data")
        with pytest.raises(SetupError, match="unknown target 'flihgt_data'; did you mean 'flight_data'"):
            app.channel("flihgt_data")


async def test_a_port_in_use_is_named_with_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with App() as app:
            app.add(Echo())
            with pytest.raises(SetupError, match=rf"cannot listen on 127\.0\.0\.1:{port}: port {port} is in use .* choose another port"):
                await app.start("127.0.0.1", port)


async def test_an_application_starts_once_and_its_services_are_fixed_then():
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        with pytest.raises(RuntimeError, match="add every service before"):
            app.add(Echo())
        with pytest.raises(RuntimeError, match="started already"):
            await app.start("127.0.0.1", 0)


async def test_a_second_close_settles_no_second_time():
    async with App(ServiceConfig(settle=3600)) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        await app.close(grace=0)
        async with asyncio.timeout(PATIENCE):
            await app.close()


async def test_a_service_has_the_store_of_its_keys_before_it_serves(tmp_path):
    async with App(ServiceConfig(idempotency=f"sqlite:///{tmp_path / 'keys.db'}")) as app:
        store = await app.store()
        assert isinstance(store, SqliteStore)
        async with store.transaction() as tx:
            await tx.execute("CREATE TABLE effects (name TEXT)")
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        assert await app.store() is store
        async with store.transaction() as tx:  # the connection that it had
            assert await tx.execute("SELECT count(*) FROM effects") == [(0,)]
    async with App(ServiceConfig(idempotency="off")) as app:
        assert await app.store() is None


async def test_a_store_that_cannot_be_opened_is_said_whoever_asks_first(tmp_path):
    async with App(ServiceConfig(idempotency=f"sqlite:///{tmp_path / 'missing' / 'keys.db'}")) as app:
        app.add(Echo())
        for _ in range(2):
            with pytest.raises(SetupError, match=r"keys\.db could not be opened"):
                await app.store()
        with pytest.raises(SetupError, match=r"keys\.db could not be opened"):
            await app.start("127.0.0.1", 0)


async def test_closing_an_application_that_never_started_does_nothing():
    await App().close()


def test_towpath_offers_every_name_that_it_lists():
    assert all(getattr(towpath, name) for name in towpath.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = towpath.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_the_names_of_the_application_come_lazily():
    script = "import sys, towpath; assert 'towpath.app' not in sys.modules; towpath.connect; assert 'towpath._app.client' in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def fetch(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=120) as response:  # an address of this test
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize(("config", "status"), [(ServiceConfig(), 400), (ServiceConfig(unknown_query="ignore"), 200)])
async def test_an_unknown_query_parameter_is_refused_or_ignored_by_configuration(config, status):
    async with App(config) as app:
        app.add(Library())
        await app.start("127.0.0.1", 0)
        assert await asyncio.to_thread(fetch, f"http://{app.address}/v1/books?utm_source=mail") == status


@pytest.mark.parametrize(("config", "status"), [(ServiceConfig(), 200), (ServiceConfig(openapi=False), 404)])
async def test_bindings_are_described_unless_that_is_configured_off(config, status):
    async with App(config) as app:
        app.add(Library())
        await app.start("127.0.0.1", 0)
        assert await asyncio.to_thread(fetch, f"http://{app.address}/openapi.json") == status
