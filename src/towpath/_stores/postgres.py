"""Idempotency keys in PostgreSQL, beside the data of the service: effect and answer in one transaction, for any number of processes.

The store needs the extra `postgres` (asyncpg). The clock is the server's, so that all processes agree when a lease has ended. A claim is
one statement. Two attempts at one key meet at its row, and the second sees the first one's commit.

A statement of the store's own may arrive twice: if its connection was lost, or led to a server that takes no writes any more, it is sent
once more over a new connection, and the row tells by the holder's name whether the first one had arrived. A server that says nothing is
given up after a time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import Answer, Claim, KeyLease, StoreUnavailable
from towpath._layers.idempotency.transaction import Answering, lease_of, overtaken, undecided, unwritten
from towpath._stores.placeholders import numbered

try:
    import asyncpg
except ImportError as error:
    raise SetupError("the PostgreSQL store needs asyncpg; install towpath[postgres]") from error

T = TypeVar("T")

_FAULTS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_LOST: Final = (
    *(OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError),
    asyncpg.InternalClientError,  # the server's last words are just being read
)
"""The errors of a connection that is lost, or that the server ends."""
_PASSING: Final = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.QueryCanceledError,
    asyncpg.PostgresIOError,
)
"""The errors of a server that cannot write now, of which a statement is no cause. The transaction is rolled back."""
_ROLLBACK: Final = 1.0
"""Seconds that a rollback may take, before the connection is closed instead."""

_VERSION: Final = 1
_LOCK: Final = 7_412_001
"""The number of the advisory lock for making the schema. Processes that start together make the schema one after the other."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS towpath_schema (part text PRIMARY KEY, version integer NOT NULL);
INSERT INTO towpath_schema VALUES ('idempotency', 1) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS towpath_idempotency (
    key text PRIMARY KEY, fingerprint bytea NOT NULL, holder text NOT NULL, until timestamptz NOT NULL, code integer, body bytea
);
CREATE INDEX IF NOT EXISTS towpath_idempotency_until ON towpath_idempotency (until);
"""
_CLAIM: Final = """
INSERT INTO towpath_idempotency AS mine (key, fingerprint, holder, until)
VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second')
ON CONFLICT (key) DO UPDATE
SET fingerprint = excluded.fingerprint, holder = excluded.holder, until = excluded.until, code = NULL, body = NULL
WHERE mine.until <= clock_timestamp() RETURNING 1
"""
_LOOK: Final = """
SELECT holder, fingerprint, code, body, extract(epoch FROM until - clock_timestamp())::float8 AS remaining
FROM towpath_idempotency WHERE key = $1
"""
_COMPLETE: Final = """
UPDATE towpath_idempotency SET code = $1, body = $2, until = clock_timestamp() + $3 * interval '1 second'
WHERE key = $4 AND holder = $5 AND code IS NULL RETURNING 1
"""
_COMPLETED: Final = "SELECT 1 FROM towpath_idempotency WHERE key = $1 AND holder = $2 AND code = $3 AND body = $4"
_RELEASE: Final = "DELETE FROM towpath_idempotency WHERE key = $1 AND holder = $2 AND code IS NULL"
_EXPIRE: Final = """
DELETE FROM towpath_idempotency WHERE key IN (
    SELECT key FROM towpath_idempotency WHERE until <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING 1
"""
_MINE: Final = object()
_EVERY: Final = 256
"""Of so many claims, one deletes expired keys."""
_BATCH: Final = 1024
"""Expired keys that one claim deletes at most. That is more than `_EVERY`, so that keys go faster than they come, and few enough for no
claim to wait long."""


class PostgresTransaction(Answering):
    """One open transaction. The store commits it or rolls it back, never the handler."""

    __slots__ = ("connection",)

    def __init__(self, connection: Any, found: KeyLease | None) -> None:
        super().__init__(found)
        self.connection = connection
        """The connection of asyncpg, for what `execute` does not offer."""

    async def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, and return its rows. A placeholder is `?`, as in SQLite (see `towpath._stores.placeholders`). Raises
        asyncpg.PostgresError."""
        rows = await self.connection.fetch(numbered(sql) if parameters else sql, *parameters)
        return [tuple(row) for row in rows]


class PostgresStore:
    """An `IdempotencyStore`. `dsn` is a libpq URL. The store opens up to `connections` connections, 10 by default, and a call waits for a
    free one. A statement of the store's own, the wait for a connection included, takes up to `timeout` seconds, 5 by default, and then
    raises StoreUnavailable. The statements of a handler take as long as its call."""

    def __init__(self, dsn: str, *, connections: int = 10, timeout: float = 5.0) -> None:
        self._dsn = dsn
        self._connections = connections
        self._timeout = timeout
        self._pool: Any = None
        self._claims = 0
        self._faults = FaultLog(logging.getLogger("towpath.stores"))

    async def open(self) -> None:
        """Connect, and make the tables if they are missing. Raises SetupError if that fails, or if a newer towpath has made the tables."""
        try:
            self._pool = await asyncpg.create_pool(self._dsn, min_size=1, max_size=self._connections, timeout=self._timeout)
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(_SCHEMA)
                version = await connection.fetchval("SELECT version FROM towpath_schema WHERE part = 'idempotency'")
        except _FAULTS as error:
            await self.close()
            remedy = "check its address and the rights of its user"
            raise SetupError(f"the PostgreSQL store could not be opened: {str(error) or 'no answer in time'}; {remedy}") from error
        if version != _VERSION:
            await self.close()
            raise SetupError(f"the PostgreSQL store has schema {version}, this towpath knows {_VERSION}: use the towpath that made it")

    async def close(self) -> None:
        """Close every connection at once. The server rolls back open transactions."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        self._claims += 1
        if self._claims % _EVERY == 0:
            await self.expire()

        async def command(connection: Any) -> Any:
            if await connection.fetchval(_CLAIM, key, fingerprint, holder, lease):
                return _MINE
            return await connection.fetchrow(_LOOK, key)

        found = await self._asked(command)
        if found is _MINE:
            return Claim(mine=True, fingerprint=fingerprint)
        if found is None:  # the key was released between the two statements: the next claim gets it
            return Claim(mine=False, fingerprint=fingerprint)
        answer = None if found["code"] is None else Answer(code=found["code"], body=found["body"])
        mine = found["holder"] == holder and answer is None  # the statement was sent again, and the first one had arrived
        return Claim(mine=mine, fingerprint=found["fingerprint"], answer=answer, lease_left=max(0.0, found["remaining"]))

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        async def command(connection: Any) -> bool:
            if await connection.fetchval(_COMPLETE, answer.code, answer.body, ttl, key, holder):
                return True
            return await connection.fetchval(_COMPLETED, key, holder, answer.code, answer.body) is not None

        return await self._asked(command)

    async def release(self, key: str, holder: str) -> None:
        await self._asked(lambda connection: connection.execute(_RELEASE, key, holder))

    async def expire(self, batch: int = _BATCH) -> int:
        """Delete at most `batch` expired keys, and return their number. Claims do this from time to time."""
        return len(await self._asked(lambda connection: connection.fetch(_EXPIRE, batch)))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[PostgresTransaction]:
        """A transaction for the effect of the call that is being handled (see `towpath._layers.idempotency.transaction`).

        Raises RpcError: ABORTED if another attempt has taken over the key, and UNAVAILABLE if the database cannot write (it takes no
        writes, is full, or has ended the transaction for a lock or a conflict), is lost before the commit, or is lost in the commit of a
        call with a key. Raises asyncpg's other errors. Among them is the loss of the connection in the commit of a call without a key:
        nobody knows whether that has written. If the block raises or is cancelled, nothing is written.
        """
        found = lease_of(self)
        committing = False
        try:
            pool = self._open
            async with asyncio.timeout(self._timeout):
                connection = await pool.acquire()
        except (*_FAULTS, StoreUnavailable) as error:
            raise unwritten(error, self._faults) from error
        try:
            # The driver knows a transaction of `async with` as managed; of others that are cancelled in their commit it would complain.
            async with self._bounded(connection) as bound, connection.transaction():
                bound.reschedule(None)
                try:
                    tx = PostgresTransaction(connection, found)
                    yield tx
                    due = tx.due()
                    if due is not None:
                        key, answer = due
                        if await connection.fetchval(_COMPLETE, answer.code, answer.body, key.ttl, key.key, key.holder) is None:
                            raise overtaken()
                except BaseException:
                    bound.reschedule(asyncio.get_running_loop().time() + _ROLLBACK)
                    raise
                committing = True
            if found is not None:
                found.answered = True
        except _FAULTS as error:
            lost = _is_closed(connection)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await pool.expire_connections()  # the server was demoted: the next connection may lead to its successor
            if not (lost and committing):
                if lost or isinstance(error, _PASSING):
                    raise unwritten(error, self._faults) from error
            elif found is not None:
                raise undecided(error, self._faults) from error
            raise
        finally:
            await self._give_back(pool, connection)

    @asynccontextmanager
    async def _bounded(self, connection: Any) -> AsyncGenerator[asyncio.Timeout]:
        """The time for a transaction's begin, which the caller sets anew for its end. A connection that does not keep to it is closed, and
        the server rolls back what it has not committed."""
        bound = asyncio.timeout(self._timeout)
        try:
            async with bound:
                yield bound
        finally:
            if bound.expired():
                connection.terminate()

    async def _asked(self, command: Callable[[Any], Awaitable[T]]) -> T:
        """The result of `command`, which gets a connection. It is run once more if the connection was lost, or leads to a server that takes
        no writes: it must be one that may arrive twice."""
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._once(command)
                except (*_LOST, asyncpg.ReadOnlySQLTransactionError):
                    await self._open.expire_connections()
                    return await self._once(command)
        except TimeoutError as error:
            raise StoreUnavailable(f"PostgreSQL: no answer within {self._timeout:g} s") from error
        except _FAULTS as error:
            raise StoreUnavailable(f"PostgreSQL: {error}") from error

    async def _once(self, command: Callable[[Any], Awaitable[T]]) -> T:
        pool = self._open
        connection = await pool.acquire()
        try:
            return await command(connection)
        except BaseException as error:
            if not isinstance(error, asyncpg.PostgresError):
                connection.terminate()  # its server may be silent: giving the connection back would wait for it
            raise
        finally:
            await self._give_back(pool, connection)

    async def _give_back(self, pool: Any, connection: Any) -> None:
        with contextlib.suppress(*_FAULTS):  # such a connection is closed, and the pool makes another one
            await pool.release(connection, timeout=self._timeout)

    @property
    def _open(self) -> Any:
        if self._pool is None:
            raise StoreUnavailable("the PostgreSQL store is not open")
        return self._pool


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back, as it does with one that is lost
        return True
