"""A bounded store of idempotency keys in the memory of one process: for tests, for one worker, for effects that die with the process.

The store is bounded in bytes, all of it and the share of each tenant of a caller. What has expired goes first. After that a caller whose
share is full gives up what is its own, and a full store what belongs to one of the greediest, so nobody's keys go because others take many.
An answer goes before its key: a call with such a key is told that the effect was had, and does not have it again. The oldest keys without
answers go when these take half of a share. A key whose call runs never goes, since a duplicate would run.

The store survives no restart, and no other worker shares it. It has transactions, so that a handler which is written for those of a
database finds them here too. They keep the answer, and have no tables.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from towpath._core import clock
from towpath._layers.idempotency.key_shares import KeyShares, TenantShare
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable, current_owner
from towpath._layers.idempotency.transaction import Answering, lease_of, overtaken

DEFAULT_MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of a store without a setting."""

MIN_BYTES: Final = 64 * 1024
"""The smallest bound of a store: room for a hundred keys of one tenant."""

SHARES: Final = 4
"""One tenant of one caller may have one part in so many of the store."""

KEY_BYTES: Final = 640
"""What a key takes without its answer (measured with CPython 3.11: 420 to 560, and 850 where each key has a tenant of its own)."""

ANSWER_BYTES: Final = 96
"""What an answer takes beside its bytes (measured)."""

_EXPIRED: Final = 8
"""Expired keys that one claim forgets at most: more than it adds, so that keys go faster than they come."""

_LEASES_LOOKED_AT: Final = 1.0
"""Seconds between two looks at all keys that run."""


@dataclass(slots=True)
class _Record:
    fingerprint: bytes
    holder: str
    until: float
    share: TenantShare
    size: int = KEY_BYTES
    answer: Answer | None = None
    answered: bool = False


class MemoryTransaction(Answering):
    """One transaction of the store in memory. An effect in the handler's own memory belongs to the end of the block, where nothing can fail
    any more: no store takes it back."""

    __slots__ = ()

    async def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Raises RuntimeError, since there are no tables."""
        raise RuntimeError('the store in memory has no tables; set service.idempotency to "sqlite:///PATH" or "postgresql://..."')


class MemoryStore:
    """An `IdempotencyStore` of up to `max_bytes` (default 32 MiB), of which one tenant of one caller has a quarter at most. A key takes 640
    bytes, and an answer its own bytes and 96. Raises ValueError for less than 64 KiB.

    When every key that is in the way runs, a new one raises StoreUnavailable. An answer that is larger than half a share is not kept."""

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if max_bytes < MIN_BYTES:
            raise ValueError(f"max_bytes is {max_bytes}; give {MIN_BYTES} or more")
        self.max_bytes: Final = max_bytes
        """The bound."""
        self._max_share = max_bytes // SHARES
        self._records: dict[str, _Record] = {}
        self._running: dict[str, None] = {}
        self._done: dict[str, None] = {}  # in the order in which they were answered, and so in which they expire
        self._shares = KeyShares()
        self._looked = -_LEASES_LOOKED_AT
        self._evicted = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size(self) -> int:
        """Bytes that the keys and answers take, as the store counts them."""
        return self._shares.size + KEY_BYTES * len(self._running)

    async def claim(self, key: str, fingerprint: bytes, holder: str, lease: float) -> Claim:
        now = clock.now()
        self._expire(now)
        record = self._records.get(key)
        if record is not None and record.until > now:
            return Claim(
                mine=False, fingerprint=record.fingerprint, answer=record.answer, lease_left=record.until - now, forgotten=_spent(record)
            )
        if record is not None:
            self._forget(key, record)
        share = self._shares.of(current_owner.get())
        record = self._records[key] = _Record(fingerprint, holder, inf, share)
        self._running[key] = None
        share.running += 1
        try:
            self._make_room(share, 0, now)
        except StoreUnavailable:
            self._forget(key, record)
            raise
        record.until = now + lease
        evicted, self._evicted = self._evicted, 0
        return Claim(mine=True, fingerprint=fingerprint, evicted=evicted)

    async def complete(self, key: str, holder: str, answer: Answer, ttl: float) -> bool:
        record = self._held(key, holder)
        return record is not None and self._keep(key, record, answer, ttl)

    async def release(self, key: str, holder: str) -> None:
        record = self._held(key, holder)
        if record is not None:
            self._forget(key, record)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[MemoryTransaction]:
        """A transaction for the effect of the call that is being handled (see `towpath._layers.idempotency.transaction`). At the end of the
        block the answer is kept. Raises RpcError (ABORTED) if another attempt has taken over the key."""
        tx = MemoryTransaction(lease_of(self))
        yield tx
        due = tx.due()
        if due is not None:
            lease, answer = due
            record = self._held(lease.key, lease.holder)
            if record is None:
                raise overtaken()
            self._keep(lease.key, record, answer, lease.ttl)
            lease.answered = True

    def _held(self, key: str, holder: str) -> _Record | None:
        """The record of a key whose call `holder` runs."""
        record = self._records.get(key)
        return record if record is not None and record.holder == holder and not record.answered else None

    def _keep(self, key: str, record: _Record, answer: Answer, ttl: float) -> bool:
        """Keep `answer`, or only that there was one if it is too large; returns whether it was kept."""
        now, share, size = clock.now(), record.share, ANSWER_BYTES + len(answer.body)
        kept = 2 * size <= self._max_share
        if kept:
            try:
                self._make_room(share, size, now)
            except StoreUnavailable:
                kept = False
        record.until = now + ttl
        record.answered = True
        del self._running[key]
        share.running -= 1
        self._done[key] = None
        if kept:
            record.answer = answer
            record.size += size
        (share.answers if kept else share.spent)[key] = None
        self._shares.add(share, record.size)
        return kept

    def _make_room(self, share: TenantShare, size: int, now: float) -> None:
        """Give up what is in the way of `size` bytes more in `share`, where a call runs. Raises StoreUnavailable if all of that runs."""
        while share.size + KEY_BYTES * share.running + size > self._max_share:
            if share.size:
                self._give_up(share)
            elif not self._end_leases(now):
                raise _full("the calls of all keys that one tenant of a caller may have in memory are running")
        while self.size + size > self.max_bytes:
            if self._shares.size:
                self._give_up(self._shares.largest())
            elif not self._end_leases(now):
                raise _full("the calls of all keys that the store in memory can hold are running")

    def _give_up(self, share: TenantShare) -> None:
        """Give up the oldest answer of `share`, or its oldest key without one if these take half of it."""
        if share.answers and 2 * KEY_BYTES * len(share.spent) <= share.size:
            key = next(iter(share.answers))
            record = self._records[key]
            del share.answers[key]
            share.spent[key] = None
            record.answer = None
            self._shares.add(share, KEY_BYTES - record.size)
            record.size = KEY_BYTES
        else:
            key = next(iter(share.spent))
            self._forget(key, self._records[key])
            self._evicted += 1

    def _expire(self, now: float) -> None:
        for _ in range(_EXPIRED):
            key = next(iter(self._done), None)
            if key is None or self._records[key].until > now:
                return
            self._forget(key, self._records[key])

    def _end_leases(self, now: float) -> bool:
        """Forget the keys whose holders were to be done by now, and were lost; returns whether there were any. Looks once a second."""
        if now - self._looked < _LEASES_LOOKED_AT:
            return False
        self._looked = now
        ended = [key for key in self._running if self._records[key].until <= now]
        for key in ended:
            self._forget(key, self._records[key])
        return bool(ended)

    def _forget(self, key: str, record: _Record) -> None:
        share = record.share
        del self._records[key]
        if record.answered:
            del self._done[key]
            del (share.spent if record.answer is None else share.answers)[key]
            self._shares.add(share, -record.size)
        else:
            del self._running[key]
            share.running -= 1
        self._shares.drop_if_unused(share)


def _spent(record: _Record) -> bool:
    return record.answered and record.answer is None


def _full(text: str) -> StoreUnavailable:
    return StoreUnavailable(text, told=text)
