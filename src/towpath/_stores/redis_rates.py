"""Quotas in Redis or Valkey: one bucket per tenant and method for all processes of a service.

The store needs the extra `redis`. A bucket is stored as the time at which it will be full again, by the server's own clock, as in
`towpath._layers.bucket`. The server forgets its key once the bucket is full. One script takes a token, so that two processes cannot take
the same one.

A server that cannot be reached stops no calls. While it is away each process counts by itself, so a tenant gets at most its rate from each
process. One call in a second tries whether the server is back, over a new connection, and the other calls do not wait for it. So a server
that was demoted behind its name is left for its successor within a second.
"""

import asyncio
import logging
from typing import Any, Final

from towpath._core import clock
from towpath._layers.bucket import Rate
from towpath._layers.quota import LocalRates
from towpath._stores.redis_connections import FAULTS, client_of, drop_idle

DEFAULT_PATIENCE: Final = 0.05
"""Seconds that a call waits for its token."""

_PAUSE: Final = 1.0
"""Seconds between two attempts to reach a server that did not answer."""

_PREFIX: Final = "towpath:quota:1:"
"""The prefix of all keys. The 1 is the version of the records' form."""

# Times are in seconds. `late` is the time until the next token; less than a microsecond of it is an error of rounding.
_TAKE: Final = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local interval, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local late = full_at - now - slack
if late > 0.000001 then return string.format('%.6f', late) end
full_at = full_at + interval
redis.call('SET', KEYS[1], string.format('%.6f', full_at), 'PX', math.ceil((full_at - now) * 1000))
return '0'
"""

log = logging.getLogger("towpath.stores")


class RedisRates:
    """A `RateStore`. `url` is `redis://`, `rediss://` or `unix://`. A call waits `patience` seconds, 0.05 by default, for the server. A
    store belongs to the loop that uses it."""

    def __init__(self, url: str, *, patience: float = DEFAULT_PATIENCE) -> None:
        self._client = client_of(url, patience)
        self._script: Any = self._client.register_script(_TAKE)
        self._patience = patience
        self._local = LocalRates()
        self._away = False
        self._asked_again_at = 0.0

    @property
    def away(self) -> bool:
        """Whether this process now counts by itself, because the server did not answer the last question."""
        return self._away

    async def open(self) -> None:
        """Ask the server for a sign of life. If it gives none, that is logged, and the service starts all the same."""
        try:
            async with asyncio.timeout(self._patience * 10):  # a connection has to be made first
                await self._client.ping()
        except FAULTS as error:
            self._lost(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def take(self, key: str, rate: Rate) -> float:
        """Take a token from the bucket of `key`, and wait no longer than `patience` for the server. A cancelled call may lose its token."""
        if self._away:
            now = clock.now()
            if now < self._asked_again_at:
                return self._local.take(key, rate)
            self._asked_again_at = now + _PAUSE  # calls until then do not ask the server
        interval = 1 / rate.per_second
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._script(keys=[_PREFIX + key], args=[interval, (rate.depth - 1) * interval])
        except FAULTS as error:
            self._lost(error)
            await drop_idle(self._client)  # a server that was demoted, or is silent, keeps them open
            return self._local.take(key, rate)
        if self._away:
            self._away = False
            log.warning("quotas: the Redis server is back, and keeps them again")
        return float(answer)

    def _lost(self, error: Exception) -> None:
        self._asked_again_at = clock.now() + _PAUSE
        if not self._away:
            self._away = True
            reason = str(error) or f"no answer within {self._patience:g} s"
            log.warning("quotas: the Redis server cannot be asked (%s); until it can, each process keeps them by itself", reason)
