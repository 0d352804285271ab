"""One timing wheel per event loop, because a timer per call costs a fast call too much.

Adding to and removing from a slot of the wheel takes a quarter of the time of `call_later` plus `cancel` (measured in one run). In return
an expiry may come late, by one slot (10 ms) at most, and never early. See Varghese and Lauck, "Hashed and Hierarchical Timing Wheels"
(1987), scheme 4. The ring is a dict here, since deadlines cluster.
"""

import asyncio
from typing import Final, Protocol

_SLOTS_PER_SECOND: Final = 100
_FEW_SLOTS: Final = 1024
"""The number of slots up to which empty ones are never looked for."""


class Expirable(Protocol):
    """An item that can be put on the wheel."""

    def expire(self) -> None:
        """The item's deadline has passed. The loop calls this once. It must not raise."""
        ...


Slot = dict[Expirable, None]
"""The items that expire together. `slot.pop(item, None)` takes out an item that no longer needs to expire. It is right at any time, and so
needs no method around it."""

NO_SLOT: Final[Slot] = {}
"""The slot of an item without a deadline. It is always empty."""


class DeadlineWheel:
    """Calls `expire()` on each added item once its deadline has passed. A wheel belongs to one loop, and is not thread-safe."""

    __slots__ = ("_loop", "_max_slots", "_timer", "_timer_slot", "slots")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.slots: dict[int, Slot] = {}
        """The slots that hold or held something, by their number. An empty one stays until a sweep or the next growth drops it."""
        self._max_slots = _FEW_SLOTS
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def add(self, deadline: float, item: Expirable) -> Slot:
        """Expire `item` at `deadline` (seconds of the loop's clock). Returns the slot that holds it until then."""
        slot = int(deadline * _SLOTS_PER_SECOND) + 1  # the slot's end, so never early
        items = self.slots.get(slot)
        if items is None:
            if len(self.slots) >= self._max_slots:
                # With short calls whose deadlines are far off, empty slots would otherwise stay until they are due, in an hour or a day.
                self._drop_empty()
                self._max_slots = max(_FEW_SLOTS, 2 * len(self.slots))
            items = self.slots[slot] = {}
            if self._timer is None or slot < self._timer_slot:
                self._arm(slot)
        items[item] = None
        return items

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = slot
        self._timer = self._loop.call_at(slot / _SLOTS_PER_SECOND, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        slots = self.slots
        for slot in sorted(key for key in slots if key / _SLOTS_PER_SECOND <= now):
            items = slots.get(slot)
            while items:  # one at a time, since an expiry may take out other items of the slot
                item = next(iter(items))
                del items[item]
                item.expire()
        # This drops the swept slots, and those that became empty in the meantime: under load most calls end long before their deadline.
        self._drop_empty()
        if slots and (self._timer is None or self._timer_slot > min(slots)):
            self._arm(min(slots))

    def _drop_empty(self) -> None:
        slots = self.slots
        for slot in [key for key, items in slots.items() if not items]:
            del slots[slot]


_wheels: dict[asyncio.AbstractEventLoop, DeadlineWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> DeadlineWheel:
    """The loop's wheel, made on first use. Making a wheel also drops the wheels of closed loops."""
    wheel = _wheels.get(loop)
    if wheel is None:
        for closed in [known for known in _wheels if known.is_closed()]:
            del _wheels[closed]
        wheel = _wheels[loop] = DeadlineWheel(loop)
    return wheel
