"""Idempotency keys in an SQLite file, beside the data of the service: effect and answer in one transaction, for any number of processes on
one machine.

The standard library's driver blocks, so every statement runs in the store's one writer thread, in the order of the requests. The statement
of a cancelled caller finishes there. The file is in WAL mode, so that readers elsewhere never wait. `synchronous` is FULL: a commit
survives the loss of power, and costs one fsync. The clock is SQLite's, and so the system's: a jump of the clock moves the ends of leases.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.errors import SetupError
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable
from towpath._layers.idempotency.transaction import Answering, lease_of, overtaken, unwritten

T = TypeVar("T")

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS towpath_schema (part TEXT PRIMARY KEY, version INTEGER NOT NULL);
INSERT OR IGNORE INTO towpath_schema VALUES ('idempotency', 1);
CREATE TABLE IF NOT EXISTS towpath_idempotency (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, holder TEXT NOT NULL, until REAL NOT NULL, code INTEGER, body BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS towpath_idempotency_until ON towpath_idempotency (until);
"""
_NOW: Final = "((julianday('now') - 2440587.5) * 86400.0)"
"""Seconds since 1970, in any version of SQLite; `unixepoch('subsec')` came with 3.42. In the statements this replaces `:now`."""
_CLAIM: Final = """
INSERT INTO towpath_idempotency (key, fingerprint, holder, until) VALUES (?, ?, ?, :now + ?)
ON CONFLICT (key) DO UPDATE
SET fingerprint = excluded.fingerprint, holder = excluded.holder, until = excluded.until, code = NULL, body = NULL
WHERE towpath_idempotency.until <= :now
""".replace(":now", _NOW)
_LOOK: Final = "SELECT holder, fingerprint, code, body, until - :now FROM towpath_idempotency WHERE key = ?".replace(":now", _NOW)
_COMPLETE: Final = (
    "UPDATE towpath_idempotency SET code = ?, body = ?, until = :now + ? WHERE key = ? AND holder = ? AND code IS NULL".replace(
        ":now", _NOW
    )
)
_RELEASE: Final = "DELETE FROM towpath_idempotency WHERE key = ? AND holder = ? AND code IS NULL"
_EXPIRE: Final = "DELETE FROM towpath_idempotency WHERE key IN (SELECT key FROM towpath_idempotency WHERE until <= :now LIMIT ?)".replace(
    ":now", _NOW
)
_LOST: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""The primary codes of errors that are no fault of a statement."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
"""The primary codes of errors of a file that is no database, or no longer."""
_EVERY: Final = 256
"""Of so many claims, one deletes expired keys."""
_BATCH: Final = 1024
"""Expired keys that one claim deletes at most. That is more than `_EVERY`, so that keys go faster than they come, and few enough for no
claim to wait long."""


class SqliteTransaction(Answering):
    """One open transaction of the store's connection."""

    __slots__ = ("_store",)

    def __init__(self, store: "SqliteStore", answering: Any) -> None:
        super().__init__(answering)
        self._store = store

    async def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement in the writer thread, and return its rows. A placeholder is `?`. Raises sqlite3.Error."""
        return await self._store.run(lambda connection: connection.execute(sql, parameters).fetchall())


class SqliteStore:
    """An `IdempotencyStore` in the file `path`. A statement waits up to `busy_timeout` (seconds, default 5) for another process that
    writes."""

    def __init__(self, path: Path, *, busy_timeout: float = 5.0) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="towpath-sqlite")
        self._turn = asyncio.Lock()
        self._connection: sqlite3.Connection | None = None
        self._claims = 0
        self._faults = FaultLog(logging.getLogger("towpath.stores"))

    async def open(self) -> None:
        """Open the file, and make the tables if they are missing. Raises SetupError if the file cannot be opened, or if a newer towpath has
        written it."""
        try:
            self._connection = await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._opened))
        except sqlite3.Error as error:
            raise SetupError(f"the store {self._path} could not be opened: {error}; {self._remedy(error)}") from error

    def _remedy(self, error: sqlite3.Error) -> str:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            return "name another file, or move this one away, whose keys cannot be read"
        folder = self._path.absolute().parent
        return "name a file in a folder that can be written" if folder.is_dir() else f"make the folder {folder}, or name another file"

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            (version,) = connection.execute("SELECT version FROM towpath_schema WHERE part = 'idempotency'").fetchone()
            if version != _VERSION:
                raise SetupError(
                    f"the store {self._path} has schema {version}, this towpath knows {_VERSION}: use the towpath that wrote it"
                )
        except BaseException:
            connection.close()
            raise
        return connection

    async def close(self) -> None:
        """Close the file, after the end of running statements and of an open transaction."""
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, connection.close))
            self._thread.shutdown(wait=False)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the writer thread. If the caller is cancelled it does not wait, but the work is still done in its turn."""
        connection = self._connection
        if connection is None:
            raise StoreUnavailable(f"the store {self._path} is not open")
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work, connection))

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        self._claims += 1
        batch = _BATCH if self._claims % _EVERY == 0 else 0

        def work(connection: sqlite3.Connection) -> Claim:
            connection.execute("BEGIN IMMEDIATE")
            try:
                if batch:
                    connection.execute(_EXPIRE, (batch,))
                connection.execute(_CLAIM, (key, fingerprint, holder, lease))
                found, first, code, body, left = connection.execute(_LOOK, (key,)).fetchone()
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()  # a full disk may have done it already
                raise
            answer = None if code is None else Answer(code=code, body=body)
            return Claim(mine=found == holder and answer is None, fingerprint=first, answer=answer, lease_left=max(0.0, left))

        return await self._alone(work)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        return await self._alone(
            lambda connection: connection.execute(_COMPLETE, (answer.code, answer.body, ttl, key, holder)).rowcount == 1
        )

    async def release(self, key: str, holder: str) -> None:
        await self._alone(lambda connection: connection.execute(_RELEASE, (key, holder)))

    async def expire(self, batch: int = _BATCH) -> int:
        """Delete at most `batch` expired keys, and return their number. Claims do this from time to time."""
        return await self._alone(lambda connection: connection.execute(_EXPIRE, (batch,)).rowcount)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[SqliteTransaction]:
        """A transaction for the effect of the call that is being handled (see `towpath._layers.idempotency.transaction`). Other
        transactions wait meanwhile, since SQLite has one writer: make no calls inside.

        Raises RpcError: ABORTED if another attempt has taken over the key, and UNAVAILABLE if the file is locked, full or cannot be read or
        written. Raises sqlite3's other errors. If the block raises or is cancelled, nothing is written.
        """
        tx = SqliteTransaction(self, lease_of(self))
        committing = False
        async with self._turn:
            try:
                await self.run(_begin)
                yield tx
                due = tx.due()
                if due is not None:
                    key, answer = due
                    if not await tx.execute(f"{_COMPLETE} RETURNING 1", (answer.code, answer.body, key.ttl, key.key, key.holder)):
                        raise overtaken()
                committing = True
                await self.run(lambda connection: connection.execute("COMMIT"))
                if due is not None:
                    due[0].answered = True
            except BaseException as error:
                # If the call was cancelled while the commit ran, nothing is left to roll back, and this does nothing.
                await self.run(lambda connection: connection.rollback())
                if _is_lost(error) and not (committing and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR):
                    raise unwritten(error, self._faults) from error
                raise  # a failed write in a commit does not tell what has reached the disk

    async def _alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turn:
            try:
                return await self.run(work)
            except sqlite3.Error as error:
                raise StoreUnavailable(f"SQLite: {error}") from error


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")


def _is_lost(error: BaseException) -> TypeGuard[sqlite3.Error]:
    """Whether the file, and no statement, is at fault."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _LOST
