"""A bounded store of idempotency keys in the memory of one process: for tests, for one worker, for effects that die with the process.

Records lie in the order in which they were claimed. When the store is full, expired keys go first, then the oldest answer. A key whose call
still runs never goes, since a duplicate would run. The store survives no restart, and no other worker shares it.
"""

from dataclasses import dataclass

from towpath._core import clock
from towpath._layers.idempotency.store import Answer, Claim, StoreUnavailable


@dataclass(slots=True)
class _Record:
    fingerprint: bytes
    holder: str
    until: float
    answer: Answer | None = None


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

    def _make_room(self, now: float) -> None:
        for key in [key for key, record in self._records.items() if record.until <= now]:
            del self._records[key]
        if len(self._records) < self._capacity:
            return
        oldest = next((key for key, record in self._records.items() if record.answer is not None), None)
        if oldest is None:
            raise StoreUnavailable(f"all {self._capacity} keys that the store can hold are running")
        del self._records[oldest]
