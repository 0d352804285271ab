"""The holds, as rows of the SQLite file in which towpath keeps the idempotency keys of this service.

Whoever makes a hold does so in a transaction of the store and ends it with the answer: the row and the answer are committed together or not
at all, and a caller that asks again with its key, after a crash, say, gets that answer and no second row.
"""

import time
from contextlib import AbstractAsyncContextManager
from typing import Final, Self
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp

from skyline.inventory.v1 import inventory_pb2 as pb
from towpath.stores import SqliteStore, SqliteTransaction

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY, flight TEXT NOT NULL, seats INTEGER NOT NULL, traveller TEXT NOT NULL, made REAL NOT NULL
)
"""
_BY_FLIGHT: Final = "CREATE INDEX IF NOT EXISTS holds_by_flight ON holds (flight)"
_LIST: Final = "SELECT id, flight, seats, traveller, made FROM holds WHERE flight = ? OR ? = 'flights/-' ORDER BY rowid"


class Holds:
    """Made by `open`. A flight's name is `flights/{flight}`; whether there is one is not asked here."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    @classmethod
    async def open(cls, store: SqliteStore) -> Self:
        """In `store`, which is open; its tables are made if they are missing."""
        async with store.transaction() as tx:
            await tx.execute(_SCHEMA)
            await tx.execute(_BY_FLIGHT)
        return cls(store)

    def transaction(self) -> AbstractAsyncContextManager[SqliteTransaction]:
        """For what is to be one with the answer of the call; others wait meanwhile."""
        return self._store.transaction()

    async def taken(self, tx: SqliteTransaction, flight: str) -> int:
        """Seats that are held on a flight."""
        ((seats,),) = await tx.execute("SELECT coalesce(sum(seats), 0) FROM holds WHERE flight = ?", (flight,))
        return seats

    async def add(self, tx: SqliteTransaction, flight: str, wanted: pb.Hold) -> pb.Hold:
        """Hold the seats that are `wanted`, under a name of its own."""
        row = (uuid4().hex, flight, wanted.seats, wanted.traveller, time.time())
        await tx.execute("INSERT INTO holds (id, flight, seats, traveller, made) VALUES (?, ?, ?, ?, ?)", row)
        return _message(*row)

    async def remove(self, tx: SqliteTransaction, flight: str, identifier: str) -> bool:
        """Give its seats back; False if there is no such hold."""
        return bool(await tx.execute("DELETE FROM holds WHERE id = ? AND flight = ? RETURNING 1", (identifier, flight)))

    async def on(self, flight: str) -> list[pb.Hold]:
        """Those on a flight, or on all with `flights/-`, in the order in which they were made."""
        # In a transaction of its own: between the statements of another's it would see what may yet be rolled back.
        async with self._store.transaction() as tx:
            rows = await tx.execute(_LIST, (flight, flight))
        return [_message(*row) for row in rows]


def _message(identifier: str, flight: str, seats: int, traveller: str, made: float) -> pb.Hold:
    created = Timestamp()
    created.FromMicroseconds(int(made * 1e6))
    return pb.Hold(name=f"{flight}/holds/{identifier}", seats=seats, traveller=traveller, create_time=created)
