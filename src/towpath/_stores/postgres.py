"""Idempotency keys in PostgreSQL, beside the data of the service: effect and answer in one transaction, for any number of processes.

The store needs the extra `postgres` (asyncpg). The clock is the server's, so that all processes agree when a lease has ended. A claim is
one statement. Two attempts at one key meet at its row, and the second sees the first one's commit.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import Answer, Claim, KeyLease, StoreUnavailable
from towpath._stores.transaction import Answering, lease_of, overtaken, undecided, unwritten

try:
    import asyncpg
except ImportError as error:
    raise SetupError("the PostgreSQL store needs asyncpg; install towpath[postgres]") from error

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
SELECT fingerprint, code, body, extract(epoch FROM until - clock_timestamp())::float8 AS remaining FROM towpath_idempotency WHERE key = $1
"""
_COMPLETE: Final = """
UPDATE towpath_idempotency SET code = $1, body = $2, until = clock_timestamp() + $3 * interval '1 second'
WHERE key = $4 AND holder = $5 AND code IS NULL RETURNING 1
"""
_RELEASE: Final = "DELETE FROM towpath_idempotency WHERE key = $1 AND holder = $2 AND code IS NULL"
_EXPIRE: Final = """
DELETE FROM towpath_idempotency WHERE key IN (
    SELECT key FROM towpath_idempotency WHERE until <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING 1
"""
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
        """The connection of asyncpg, for the handler's statements."""


class PostgresStore:
    """An `IdempotencyStore`. `dsn` is a libpq URL. The store opens up to `connections` connections, 10 by default, and a call waits for a
    free one."""

    def __init__(self, dsn: str, *, connections: int = 10) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: Any = None
        self._claims = 0

    async def open(self) -> None:
        """Connect, and make the tables if they are missing. Raises SetupError if that fails, or if a newer towpath has made the tables."""
        try:
            self._pool = await asyncpg.create_pool(self._dsn, min_size=1, max_size=self._connections)
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(_SCHEMA)
                version = await connection.fetchval("SELECT version FROM towpath_schema WHERE part = 'idempotency'")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            await self.close()
            raise SetupError(f"the PostgreSQL store could not be opened: {error}; check its address and the rights of its user") from error
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
        with _reported():
            async with self._open.acquire() as connection:
                if await connection.fetchval(_CLAIM, key, fingerprint, holder, lease):
                    return Claim(mine=True, fingerprint=fingerprint)
                found = await connection.fetchrow(_LOOK, key)
        if found is None:  # the key was released between the two statements: the next claim gets it
            return Claim(mine=False, fingerprint=fingerprint)
        answer = None if found["code"] is None else Answer(code=found["code"], body=found["body"])
        return Claim(mine=False, fingerprint=found["fingerprint"], answer=answer, lease_left=max(0.0, found["remaining"]))

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        with _reported():
            return await self._open.fetchval(_COMPLETE, answer.code, answer.body, ttl, key, holder) is not None

    async def release(self, key: str, holder: str) -> None:
        with _reported():
            await self._open.execute(_RELEASE, key, holder)

    async def expire(self, batch: int = _BATCH) -> int:
        """Delete at most `batch` expired keys, and return their number. Claims do this from time to time."""
        with _reported():
            return len(await self._open.fetch(_EXPIRE, batch))

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[PostgresTransaction]:
        """A transaction for the effect of the call that is being handled (see `towpath._stores.transaction`).

        Raises RpcError: ABORTED if another attempt has taken over the key, and UNAVAILABLE if the database takes no writes, is lost before
        the commit, or is lost in the commit of a call with a key. Raises asyncpg's other errors. Among them is the loss of the connection
        in the commit of a call without a key: nobody knows whether that has written. If the block raises or is cancelled, nothing is
        written.
        """
        found = lease_of(self)
        committing = False
        try:
            pool = self._open
            with _reported():
                connection = await pool.acquire()
        except StoreUnavailable as error:
            raise unwritten(error) from error
        try:
            async with connection.transaction():
                tx = PostgresTransaction(connection, found)
                yield tx
                due = tx.due()
                if due is not None:
                    key, answer = due
                    if await connection.fetchval(_COMPLETE, answer.code, answer.body, key.ttl, key.key, key.holder) is None:
                        raise overtaken()
                committing = True
            if found is not None:
                found.answered = True
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError) or (_is_closed(connection) and not committing):
                raise unwritten(error) from error
            if _is_closed(connection) and found is not None:
                raise undecided(error) from error
            raise
        finally:
            await pool.release(connection)

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


@contextmanager
def _reported() -> Generator[None]:
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"PostgreSQL: {error}") from error
