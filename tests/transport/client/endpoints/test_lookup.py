"""Name servers that do not answer: one name holds up no other, and no call waits for ever."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from stream.v1 import stream_pb2
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, turn_until
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._transport.address import Place
from towpath._transport.client.endpoints.lookup import Lookups, lookup

Factory = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class Names:
    """A name server that does not answer questions for `hung` until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def ask(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("hung"):
            self.let_go.wait()
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(host, port)]


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.let_go.set()


def run(loop: Factory, main: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(within())


@LOOPS
def test_a_name_that_hangs_holds_one_thread_and_no_other_name(loop: Factory, names: Names) -> None:
    async def main() -> None:
        lookups = Lookups(names.ask)
        waiting = [asyncio.ensure_future(lookups.of("hung", 1)) for _ in range(50)]
        assert await lookups.of("flights", 2) == [("flights", 2)]
        with pytest.raises(socket.gaierror):
            await lookups.of("nowhere", 3)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        await turn_until(lambda: sorted(names.asked) == ["flights", "hung", "nowhere"])
        names.let_go.set()
        assert await asyncio.gather(*waiting[1:]) == [[("hung", 1)]] * 49
        assert await lookups.of("hung", 1) == [("hung", 1)]
        assert names.asked.count("hung") == 2

    run(loop, main())


@LOOPS
def test_no_end_waits_for_it(loop: Factory, names: Names) -> None:
    lookups = Lookups(names.ask)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lookups.of("hung", 1)

    run(loop, main())
    names.let_go.set()  # a thread tells a loop that is closed
    run(loop, _same(lookups))


async def _same(lookups: Lookups) -> None:
    assert await lookups.of("hung", 1) == [("hung", 1)]


@LOOPS
def test_more_names_wait_for_their_turn(loop: Factory, names: Names) -> None:
    async def main() -> None:
        lookups = Lookups(names.ask)
        hung = [asyncio.ensure_future(lookups.of(f"hung{number}", 1)) for number in range(64)]
        late = asyncio.ensure_future(lookups.of("flights", 1))
        await turn_until(lambda: len(names.asked) == 64)
        assert "flights" not in names.asked
        names.let_go.set()
        assert await late == [("flights", 1)]
        await asyncio.gather(*hung)

    run(loop, main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_asks_anew(names: Names) -> None:
    lookups = Lookups(names.ask)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lookups.of("hung", 1)
        await turn_until(lambda: names.asked)

    asyncio.run(main())
    child = os.fork()
    if not child:  # pragma: no cover - in another process
        names.let_go = threading.Event()  # the thread that is not here may hold the lock of the other one
        names.let_go.set()
        try:
            run(asyncio.new_event_loop, _same(lookups))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@LOOPS
def test_the_system_knows_this_machine(loop: Factory) -> None:
    async def main() -> None:
        assert {address[4][0] for address in await lookup("localhost", 80)} <= {"127.0.0.1", "::1"}
        with pytest.raises(UnicodeError):
            await lookup("a" * 64 + ".example", 80)

    run(loop, main())


class Hung(asyncio.SelectorEventLoop):
    """A loop whose name server says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = self.cancelled = 0

    async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        try:
            await self.create_future()
        finally:
            self.cancelled += 1


async def first_of_a_stream(channel: Channel) -> RpcError:
    """What a stream without a deadline ends in."""
    call = StreamServiceClient(channel).repeat(stream_pb2.RepeatRequest())
    with pytest.raises(RpcError) as caught:
        await anext(call)
    return caught.value


class Asking:
    """A resolver whose name server hangs."""

    changes = True

    def __init__(self, names: Names) -> None:
        self._lookups = Lookups(names.ask)

    async def resolve(self) -> list[Place]:
        await self._lookups.of("hung", 8080, 0.05)
        return []


@LOOPS
def test_a_call_without_a_deadline_does_not_wait_for_a_name_server_for_ever(loop: Factory, names: Names) -> None:
    async def main() -> None:
        async with Channel("dns:///hung:8080", insecure=True, resolver=Asking(names)) as channel:
            for _ in range(2):
                error = await first_of_a_stream(channel)
                assert error.code is Code.UNAVAILABLE
                assert "the name cannot be resolved (no answer within 0.05 s)" in error.message
        await turn_until(lambda: names.asked)
        assert names.asked == ["hung"]

    run(loop, main())


def test_closing_a_channel_ends_the_lookup() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        channel = Channel("dns:///flights:8080", insecure=True)
        call = asyncio.ensure_future(first_of_a_stream(channel))
        await turn_until(lambda: loop.asked == 1)
        await channel.close()
        await call
        await turn_until(lambda: loop.cancelled == 1)

    run(Hung, main())
