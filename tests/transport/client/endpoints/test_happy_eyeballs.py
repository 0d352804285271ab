"""Names with several addresses, of which the first is dead or silent, on both loops, with and without TLS."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, turn_until
from tests.transport.test_tls import Authority
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions, Server
from towpath._transport.address import Address
from towpath._transport.client.endpoints import happy_eyeballs
from towpath._transport.client.endpoints.endpoint import Unreachable
from towpath._transport.client.endpoints.happy_eyeballs import Progress, addresses_of, first_ready

PATIENT = CallOptions(timeout=PATIENCE)
DUAL = ("127.0.0.2", "127.0.0.1")


class Resolving:
    """What a loop resolves "dual.test" to; all other names are the system's."""

    hosts: tuple[str, ...] = DUAL

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        found: list[Any] = []
        for address in self.hosts if host == "dual.test" else (host,):
            found += socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        return found


class Asyncio(Resolving, asyncio.SelectorEventLoop):
    pass


class Uvloop(Resolving, uvloop.Loop):
    pass


LOOPS = pytest.mark.parametrize("loop", [Asyncio, Uvloop])


@contextmanager
def refusing(port: int) -> Iterator[None]:
    """Nobody listens at the first address."""
    yield


@contextmanager
def silent(port: int) -> Iterator[None]:
    """The system accepts for a process that hangs."""
    with socket.create_server((DUAL[0], port)):
        yield


@contextmanager
def dropping(port: int) -> Iterator[None]:
    """Nothing answers: the queue of what listens there is full, so that the system drops what comes."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((DUAL[0], port), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield


@LOOPS
@pytest.mark.parametrize("first", [refusing, silent, dropping])
@pytest.mark.parametrize("target", ["dual.test:{}", "dns:///dual.test:{}", "static:///dual.test:{}"])
@pytest.mark.parametrize("secured", [False, True])
def test_a_dead_first_address_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: Any, first: Any, target: str, secured: bool
) -> None:
    monkeypatch.setattr(happy_eyeballs, "_ATTEMPT_DELAY", 0.02)
    monkeypatch.setattr(happy_eyeballs, "_SILENT_DELAY", 0.04)
    authority = Authority(tmp_path)

    async def call() -> None:
        server = Server([Echo()])
        await server.start(tls=authority.server("dual.test") if secured else None)
        port = int(server.address.split(":")[1])
        with first(port):
            channel = Channel(
                target.format(port), tls=authority.trusted if secured else None, insecure=True, options=ChannelOptions(connect_timeout=1e6)
            )
            async with channel:
                for _ in range(3):
                    assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"), PATIENT)).id == "a"
        await server.close(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(call())


def test_each_address_and_its_reason_are_named_if_none_answers(port: int) -> None:
    async def call() -> str:
        with socket.create_server((DUAL[0], port)) as listener:
            listener.settimeout(PATIENCE)
            async with Channel(f"dual.test:{port}", insecure=True) as channel:
                said = asyncio.create_task(EchoServiceClient(channel).say(pb.SayRequest(), PATIENT))
                caller, _ = await asyncio.to_thread(listener.accept)
                caller.close()
                with pytest.raises(RpcError) as caught:
                    await said
        assert caught.value.code is Code.UNAVAILABLE
        return caught.value.message

    with asyncio.Runner(loop_factory=Asyncio) as runner:
        message = runner.run(call())
    assert f"127.0.0.2:{port}: the connection was closed" in message or f"127.0.0.2:{port}: Connection reset" in message
    assert f"127.0.0.1:{port}: Connect" in message


async def test_families_take_turns_and_a_literal_is_itself() -> None:
    class Mixed(Resolving, asyncio.SelectorEventLoop):
        hosts = ("::1", "::2", "::3", "127.0.0.1", "127.0.0.1", "127.0.0.2")

    def order(loop: Any, host: str) -> list[str]:
        with asyncio.Runner(loop_factory=loop) as runner:
            return [address.host for address in runner.run(addresses_of(Address(host, 1)))]

    assert await asyncio.to_thread(order, Mixed, "dual.test") == ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"]
    assert await asyncio.to_thread(order, Mixed, "fe80::1%1") == ["fe80::1%1"]
    assert await addresses_of(Address("::1", 1)) == [Address("::1", 1)]


async def test_a_scope_is_kept() -> None:
    class Scoped(asyncio.SelectorEventLoop):
        async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
            return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 3))]

    def resolve() -> list[Address]:
        with asyncio.Runner(loop_factory=Scoped) as runner:
            return runner.run(addresses_of(Address("dual.test", 1)))

    assert await asyncio.to_thread(resolve) == [Address("fe80::1%3", 1)]


ADDRESSES = [Address(f"127.0.0.{n}", 1) for n in (1, 2, 3)]


class Attempts:
    """Attempts that succeed or fail when the test says so."""

    def __init__(self) -> None:
        self.begun: dict[Address, asyncio.Future[str]] = {}
        self.progress: dict[Address, Progress] = {}
        self.discarded: list[str] = []

    async def attempt(self, address: Address, progress: Progress) -> str:
        outcome = self.begun[address] = asyncio.get_running_loop().create_future()
        self.progress[address] = progress
        return await outcome

    def race(self) -> asyncio.Task[str]:
        return asyncio.create_task(first_ready(ADDRESSES, self.attempt, self.discarded.append))

    async def until(self, condition: Callable[[], bool]) -> None:
        await turn_until(condition)


async def test_one_failure_after_the_other_begins_the_next_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "_ATTEMPT_DELAY", 1e6)
    attempts = Attempts()
    race = attempts.race()
    for address in ADDRESSES:
        await attempts.until(lambda address=address: address in attempts.begun)
        assert len(attempts.begun) == ADDRESSES.index(address) + 1
        attempts.begun[address].set_exception(Unreachable(f"no {address.host}"))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: no 127\.0\.0\.1; 127\.0\.0\.2:1: no 127\.0\.0\.2; "):
        await race


async def test_what_came_second_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "_ATTEMPT_DELAY", 0.001)
    monkeypatch.setattr(happy_eyeballs, "_SILENT_DELAY", 0.002)
    attempts = Attempts()
    race = attempts.race()
    await attempts.until(lambda: ADDRESSES[0] in attempts.progress)
    attempts.progress[ADDRESSES[0]].connected = True
    await attempts.until(lambda: len(attempts.begun) == 3)
    attempts.begun[ADDRESSES[2]].set_exception(Unreachable("late"))
    attempts.begun[ADDRESSES[1]].set_result("second")
    attempts.begun[ADDRESSES[0]].set_result("first")
    won = await race
    assert sorted([won, *attempts.discarded]) == ["first", "second"]


async def test_a_race_that_is_cancelled_or_breaks_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "_ATTEMPT_DELAY", 0.001)
    for broken in (True, False):
        attempts = Attempts()
        race = attempts.race()
        await attempts.until(lambda attempts=attempts: len(attempts.begun) == 3)
        if broken:
            attempts.begun[ADDRESSES[1]].set_exception(ZeroDivisionError("a fault of the attempt itself"))
            with pytest.raises(ZeroDivisionError):
                await race
        else:
            race.cancel()
            with pytest.raises(asyncio.CancelledError):
                await race
        assert attempts.begun[ADDRESSES[0]].cancelled()
