"""The connections of the Redis stores, and how they outlive a failover.

A server that was the primary may live on as a read-only replica, while its name or address already leads to another server. Connections to
the old one then stay open and take no writes, so they are dropped, and the next one is made anew. A server that says nothing is given up
after a time, and so are the connections to it. A command whose connection was lost is sent again, so each command must be one that may
arrive twice: the store's are.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import StoreUnavailable

try:
    import redis.asyncio as driver
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as ConnectionLost
    from redis.exceptions import ReadOnlyError, RedisError
    from redis.exceptions import TimeoutError as DriverTimeout
except ImportError as error:
    raise SetupError("stores in Redis need redis; install towpath[redis]") from error

T = TypeVar("T")

MAX_CONNECTIONS: Final = 16
"""The size of a pool. More connections add nothing, since a server answers one command after the other."""

ATTEMPTS: Final = 3
"""How often a command is sent whose connection was lost, or led to a server that is no primary any more."""

_CLOSING: Final = 0.1
"""Seconds for which the end of closed connections is waited for."""

FAULTS: Final = (OSError, RedisError, TimeoutError)
"""The errors of a server that cannot be asked, or cannot answer."""


def client_of(url: str, wait: float) -> Any:
    """A client of the server at `url`. A command waits up to `wait` seconds for a free connection. The driver sends no command again."""
    untyped: Any = driver  # the types of its options are not all known
    once: Any = Retry(NoBackoff(), 0)
    pool = untyped.BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=wait, retry=once)
    return untyped.Redis.from_pool(pool)


def is_demoted(error: Exception) -> bool:
    """Whether `error` comes from a replica, which takes no writes. Older servers wrap the error of a command in that of its script."""
    return isinstance(error, ReadOnlyError) or "READONLY" in str(error)


async def drop_idle(client: Any) -> None:
    """Close the connections that are not in use, so that new ones are made. A peer that does not close its side is not waited for."""
    with contextlib.suppress(*FAULTS):
        async with asyncio.timeout(_CLOSING):
            await client.connection_pool.disconnect(inuse_connections=False)


async def asked(client: Any, command: Callable[[], Awaitable[T]], wait: float) -> T:
    """The result of `command`, which is sent again if its connection was lost or led to a replica. It must be a command that may arrive
    twice. Raises StoreUnavailable for every fault, and if there is no answer within `wait` seconds."""
    try:
        async with asyncio.timeout(wait):
            for _ in range(ATTEMPTS - 1):
                try:
                    return await command()
                except (OSError, RedisError) as error:
                    if not isinstance(error, ConnectionLost | OSError) and not is_demoted(error):
                        raise
                    await drop_idle(client)
            return await command()
    except (TimeoutError, DriverTimeout) as error:
        await drop_idle(client)
        raise StoreUnavailable(f"Redis: no answer within {wait:g} s") from error
    except FAULTS as error:
        if is_demoted(error):
            await drop_idle(client)
        raise StoreUnavailable(f"Redis: {error}") from error
