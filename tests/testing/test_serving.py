"""Services of a test on free ports and in simulations, entered with `async with` and with `with`."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_fakes import FakeEchoService
from echo.v1.echo_towpath import EchoService, EchoServiceClient, EchoServiceSyncClient
from stream.v1 import stream_pb2
from stream.v1.stream_fakes import FakeStreamService
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import Echo
from towpath import App, CallOptions, Code, Context, RpcError, SetupError
from towpath.settings import ServiceConfig
from towpath.stores import MemoryStore
from towpath.testing import Fault, Faults, LinkOptions, Member, Simulation, constant, serving, serving_system, simulate

PATIENT = CallOptions(timeout=120)
REQUEST = pb.SayRequest(n=7)


class Relay(EchoService):
    """Answers with what the target `echo` answers."""

    def __init__(self, app: App) -> None:
        self._echo = EchoServiceClient(app.channel("echo"))

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        return await self._echo.say(request, PATIENT)

    async def fail(self, request: pb.FailRequest, ctx: Context) -> pb.FailResponse:
        raise RpcError(Code.UNIMPLEMENTED, "not used")

    async def sleep(self, request: pb.SleepRequest, ctx: Context) -> pb.SleepResponse:
        raise RpcError(Code.UNIMPLEMENTED, "not used")

    async def inspect(self, request: pb.InspectRequest, ctx: Context) -> pb.InspectResponse:
        raise RpcError(Code.UNIMPLEMENTED, "not used")


async def relay(app: App) -> None:
    app.add(Relay(app))


def fake() -> FakeEchoService:
    return FakeEchoService(say=lambda request: pb.SayResponse(n=request.n))


class TestInTheLoop:
    async def test_a_service_is_served_until_the_end_of_the_block(self):
        async with serving(fake()) as served:
            assert (await EchoServiceClient(served.channel).say(REQUEST, PATIENT)).n == 7
            assert served.channel is served.channel
            assert served.address.startswith("127.0.0.1:")
            async with served.connect() as another:
                assert another is not served.channel
                assert (await EchoServiceClient(another).say(REQUEST, PATIENT)).n == 7
        assert served.app.state == "stopping"
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", int(served.address.split(":")[1]))

    async def test_it_is_stopped_when_the_test_fails(self):
        with pytest.raises(LookupError):
            async with serving(fake()) as served:
                raise LookupError
        assert served.app.state == "stopping"

    async def test_it_may_be_several_services_or_a_main(self):
        ended: list[str] = []

        async def main(app: App) -> AsyncIterator[None]:
            app.add(fake())
            yield
            ended.append("main")

        async with serving([fake(), FakeStreamService()]) as served:
            assert [service.spec.name for service in served.app.services] == ["echo.v1.EchoService", "stream.v1.StreamService"]
        async with serving(main) as served:
            assert (await EchoServiceClient(served.channel).say(REQUEST, PATIENT)).n == 7
            assert ended == []
        assert ended == ["main"]

    async def test_layers_and_settings_are_the_services_own(self, tmp_path: Path):
        (tmp_path / "towpath.toml").write_text('[service]\nname = "own"\nsettle = "3600s"\n')
        layers = [Faults([Fault(methods="*/Say", code=Code.DATA_LOSS)])]
        store = MemoryStore()
        async with serving(fake(), config=tmp_path / "towpath.toml", layers=layers, idempotency=store) as served:
            assert served.app.config.name == "own"
            assert await served.app.store() is store
            with pytest.raises(RpcError, match="DATA_LOSS: injected fault"):
                await EchoServiceClient(served.channel).say(REQUEST, PATIENT)

    async def test_the_environment_changes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        (tmp_path / "towpath.toml").write_text('[targets]\necho = "127.0.0.1:1"\n')
        monkeypatch.setenv("TOWPATH_TARGET_ECHO", "production:443")
        monkeypatch.setenv("TOWPATH_WORKERS", "3")
        async with serving(fake(), config=tmp_path / "towpath.toml") as served:
            assert served.app.config.target("echo").address == "127.0.0.1:1"
            assert served.app.config.workers == 1
            with pytest.raises(RuntimeError, match="in a simulation"):
                _ = served.node

    async def test_it_can_be_stopped_and_restarted_at_its_address(self):
        async with serving(fake()) as served:
            client, address, before = EchoServiceClient(served.channel), served.address, served.app
            await client.say(REQUEST, PATIENT)
            await served.stop()
            with pytest.raises(RpcError) as caught:
                await client.say(REQUEST, PATIENT)
            assert caught.value.code is Code.UNAVAILABLE
            await served.restart()
            await served.restart()
            assert (served.address, served.app is before) == (address, False)
            assert (await client.say(REQUEST, CallOptions(timeout=120, wait_for_ready=True))).n == 7

    async def test_sync_clients_call_it_from_other_threads(self):
        async with serving(fake()) as served:
            client = EchoServiceSyncClient(served.sync_channel)
            assert (await asyncio.to_thread(client.say, REQUEST, PATIENT)).n == 7
            with pytest.raises(RuntimeError, match="would block the event loop"):
                client.say(REQUEST)

    async def test_a_stream_under_way_does_not_hold_up_the_end(self):
        async def endless(request: stream_pb2.RepeatRequest) -> AsyncIterator[stream_pb2.RepeatResponse]:
            yield stream_pb2.RepeatResponse()
            await asyncio.Event().wait()

        async with serving(FakeStreamService(repeat=endless), config=ServiceConfig(grace=3600)) as served:
            call = StreamServiceClient(served.channel).repeat(stream_pb2.RepeatRequest())
            await anext(call)
        with pytest.raises(RpcError):
            await anext(call)

    async def test_a_cancelled_start_leaves_nothing(self):
        entered, ended = asyncio.Event(), asyncio.Event()

        async def main(app: App) -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def serve() -> None:
            async with serving(main):
                pytest.fail("it has started")

        task = asyncio.create_task(serve())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()


class TestSystems:
    async def test_services_find_one_another_by_name(self):
        echo = fake()
        async with serving_system(relay=relay, echo=echo) as system:
            assert (await EchoServiceClient(system.channel("relay")).say(REQUEST, PATIENT)).n == 7
            assert list(system) == ["relay", "echo"]
        assert [request.n for request in echo.say.requests] == [7]
        assert echo.say.contexts[0].remaining() is not None

    async def test_a_target_keeps_its_options(self, tmp_path: Path):
        (tmp_path / "towpath.toml").write_text('[targets.other-echo]\naddress = "far:80"\nprotocol = "connect"\nmessage_limit = "7KiB"\n')
        async with serving_system({"other-echo": fake()}, relay=Member(fake(), config=tmp_path / "towpath.toml")) as system:
            target = system["relay"].app.config.target("other_echo")
            assert target.address == system["other-echo"].address
            assert (target.options.protocol, target.limits.message_limit) == ("connect", 7 * 1024)

    async def test_what_has_started_is_stopped_if_another_does_not_start(self):
        ended: list[str] = []

        async def first(app: App) -> AsyncIterator[None]:
            app.add(fake())
            yield
            ended.append("first")

        async def second(app: App) -> None:
            raise LookupError("no database")

        with pytest.raises(LookupError, match="no database"):
            async with serving_system(first=first, second=second):
                pytest.fail("it has started")
        assert ended == ["first"]

    async def test_an_unknown_name_lists_the_others(self):
        async with serving_system(echo=fake()) as system:
            with pytest.raises(KeyError, match=r"there is no service 'ecko'; .*echo"):
                system["ecko"]


class TestInAThread:
    def test_a_plain_test_calls_a_service(self):
        with serving(fake()) as served:
            assert (EchoServiceSyncClient(served.sync_channel).say(REQUEST, PATIENT)).n == 7
            assert served.sync_channel is served.sync_channel
        assert not [thread for thread in threading.enumerate() if thread.name == "towpath-serving"]

    def test_a_loop_of_the_tests_own_connects(self):
        with serving(fake()) as served:

            async def main() -> int:
                with pytest.raises(RuntimeError, match=r"^service runs in an event loop of its own; in an `async def` test write"):
                    _ = served.channel
                with pytest.raises(RuntimeError, match="a test that is to stop it enters it with `async with`"):
                    await served.stop()
                async with served.connect() as channel:
                    return (await EchoServiceClient(channel).say(REQUEST, PATIENT)).n

            assert asyncio.run(main()) == 7
            with pytest.raises(RuntimeError, match="event loop of its own"):
                _ = served.channel

    def test_a_start_that_fails_is_raised_here(self):
        async def main(app: App) -> None:
            raise LookupError("no database")

        with pytest.raises(LookupError, match="no database"), serving(main):
            pytest.fail("it has started")
        assert not [thread for thread in threading.enumerate() if thread.name == "towpath-serving"]

    def test_an_end_that_fails_is_raised_here(self):
        async def main(app: App) -> AsyncIterator[None]:
            app.add(fake())
            yield
            raise LookupError("the pool is lost")

        with pytest.raises(RuntimeError), serving(main):
            pass

    def test_tasks_that_are_left_are_cancelled(self):
        ended = threading.Event()

        async def left() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        tasks: list[asyncio.Task[None]] = []

        async def main(app: App) -> None:
            app.add(fake())
            tasks.append(asyncio.create_task(left()))
            await asyncio.sleep(0)

        with serving(main):
            assert not ended.is_set()
        assert ended.is_set()


class TestInASimulation:
    def test_a_system_runs_on_nodes_of_its_names(self):
        echo = fake()

        async def main(run: Simulation) -> float:
            async with serving_system(relay=relay, echo=echo) as system:
                begun = run.elapsed
                assert (await EchoServiceClient(system.channel("relay")).say(REQUEST)).n == 7
                took = run.elapsed - begun
                assert [system[name].node for name in system] == [run.network.nodes["relay"], run.network.nodes["echo"]]
                assert system["echo"].address == "echo:8080"
                return took

        took = simulate(main, options=LinkOptions(latency=constant(0.010)))
        assert took >= 0.08  # two connections and two calls, each of which takes a round trip
        assert echo.say.contexts[0].method == "echo.v1.EchoService/Say"

    def test_a_crash_is_noticed_and_the_service_is_found_again(self):
        async def main(run: Simulation) -> list[Code | int]:
            seen: list[Code | int] = []
            async with serving_system(relay=relay, echo=fake()) as system:
                client = EchoServiceClient(system.channel("relay"))
                seen.append((await client.say(REQUEST)).n)
                system["echo"].node.crash()
                try:
                    await client.say(REQUEST)
                except RpcError as error:
                    seen.append(error.code)
                await system["echo"].restart()
                await asyncio.sleep(60)
                seen.append((await client.say(REQUEST)).n)
            return seen

        assert simulate(main) == [7, Code.UNAVAILABLE, 7]

    def test_a_node_that_a_test_has_crashed_serves_the_next_one(self):
        async def main(run: Simulation) -> int:
            async with serving(fake()) as served:
                served.node.crash()
            async with serving(fake()) as served:
                return (await EchoServiceClient(served.channel).say(REQUEST, PATIENT)).n

        assert simulate(main) == 7

    def test_the_node_may_be_there_before(self):
        async def main(run: Simulation) -> None:
            node = run.node("echo")
            async with serving(fake(), name="echo") as served:
                assert served.node is node
                node.lag = 0.5
                begun = run.elapsed
                await EchoServiceClient(served.channel).say(REQUEST, PATIENT)
                assert run.elapsed - begun >= 1

        simulate(main)


class TestMistakes:
    async def raised(self, *given: object, **named: object) -> str:
        with pytest.raises(SetupError) as caught:
            async with serving_system(*given, **named) if named or not given else serving(*given):
                pytest.fail("it has started")
        return str(caught.value)

    async def test_each_is_one_sentence(self):
        async def empty(app: App) -> None: ...

        assert (await self.raised()).startswith("serving_system was given no service")
        assert await self.raised(Echo) == "the class Echo is served by an object of it; give Echo(...)"
        assert await self.raised(7) == "app.setup() was given an object of int; give a function `async def main(app)`"
        assert await self.raised(empty) == "service has no service; add one with app.add(...) in its main"
        assert await self.raised([7]) == "app.add was given an object of int; give objects of generated service classes"
        assert "differ only in case" in await self.raised({"a-b": fake()}, a_b=fake())
        named = Member(fake(), config="towpath.toml")  # pyright: ignore[reportArgumentType] # the mistake
        said = "config is the text 'towpath.toml'; give Path('towpath.toml') for a service file, or a ServiceConfig"
        assert await self.raised(echo=named) == said

    async def test_it_is_entered_once_at_a_time(self):
        twice = serving(fake())
        async with twice:
            with pytest.raises(RuntimeError, match="served already"):
                await twice.__aenter__()
            with pytest.raises(RuntimeError, match="served already"):
                twice.__enter__()
        async with twice as served:
            assert served.app.state == "serving"
