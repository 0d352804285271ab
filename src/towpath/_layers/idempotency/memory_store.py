"""A bounded store of idempotency keys in the memory of one process: for tests, for one worker, for effects that die with the process.

Records lie in the order in which they were claimed. When the store is full, expired keys go first, then the oldest answer. A key whose call
still runs never goes, since a duplicate would run. The store survives no restart, and no other worker shares it. It
has transactions, so that a handler which is written for those of a database finds them here too. They keep the answer, and have no tables.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from towpath._core import clock
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable
from towpath._layers.idempotency.transaction import Answering, lease_of, overtaken


@dataclass(slots=True)
class _Record:
    fingerprint: bytes
    holder: str
    until: float
    answer: Answer | None = None


class MemoryTransaction(Answering):
    """One transaction of the store in memory. An effect in the handler's own memory belongs to the end of the block, where nothing can fail
    any more: no store takes it back."""

    __slots__ = ()

    async def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Raises RuntimeError, since there are no tables."""
        raise RuntimeError('the store in memory has no tables; set service.idempotency to "sqlite:///PATH" or "postgresql://..."')


class MemoryStore:
    """An `IdempotencyStore` of up to `capacity` (default 10,000) keys. One answer too many pushes out the oldest before its time, and a
    retry of that call would run again. When every key is running, a new one raises StoreUnavailable."""

    def __init__(self, *, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}; give 1 or more")
        self._capacity = capacity
        self._records: dict[str, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        now = clock.now()
        record = self._records.get(key)
        if record is not None and record.until > now:
            return Claim(mine=False, fingerprint=record.fingerprint, answer=record.answer, lease_left=record.until - now)
        self._records.pop(key, None)
        if len(self._records) >= self._capacity:
            self._make_room(now)
        self._records[key] = _Record(fingerprint, holder, now + lease)
        return Claim(mine=True, fingerprint=fingerprint)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        record = self._records.get(key)
        if record is None or record.holder != holder or record.answer is not None:
            return False
        record.answer = answer
        record.until = clock.now() + ttl
        return True

    async def release(self, key: str, holder: str) -> None:
        record = self._records.get(key)
        if record is not None and record.holder == holder and record.answer is None:
            del self._records[key]

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        """A transaction for the effect of the call that is being handled (see `towpath._layers.idempotency.transaction`). At the end of the
        block the answer is kept. Raises RpcError (ABORTED) if another attempt has taken over the key."""
        tx = MemoryTransaction(lease_of(self))
        yield tx
        due = tx.due()
        if due is not None:
            key, answer = due
            if not await self.complete(key.key, key.holder, answer, key.ttl):
                raise overtaken()
            key.answered = True

    def _make_room(self, now: float) -> None:
        for key in [key for key, record in self._records.items() if record.until <= now]:
            del self._records[key]
        if len(self._records) < self._capacity:
            return
        oldest = next((key for key, record in self._records.items() if record.answer is not None), None)
        if oldest is None:
            raise StoreUnavailable(f"all {self._capacity} keys that the store can hold are running")
        del self._records[oldest]
