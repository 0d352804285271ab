"""One timing wheel per event loop, because a timer per call is what a fast call cannot afford.

Adding to and removing from a slot of the wheel takes a quarter of the time of `call_later` plus `cancel` (measured in one run).
In return an expiry may come late, by one slot (10 ms) at the most, and never early. See Varghese and Lauck, "Hashed and Hierarchical
Timing Wheels" (1987), scheme 4, with a dict for the ring since deadlines cluster.
"""

import asyncio
from typing import Final, Protocol

_SLOTS_PER_SECOND: Final = 100
_FEW_SLOTS: Final = 1024


class Expirable(Protocol):
    """What can be put on the wheel."""

    def expire(self) -> None:
        """The deadline passed. Called once, from the loop, and must not raise."""
        ...


Slot = dict[Expirable, None]
"""What expires together. An item that no longer needs to expire leaves with `slot.pop(item, None)`, which is right at any time and needs
no method around it."""

NO_SLOT: Final[Slot] = {}
"""For who is on no wheel; always empty."""


class DeadlineWheel:
    """Calls `expire()` on what was added once its deadline has passed. Bound to one loop; not thread-safe."""

    __slots__ = ("_loop", "_most_slots", "_timer", "_timer_slot", "slots")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.slots: dict[int, Slot] = {}
        """The slots that hold or held something, by their number. An empty one stays until a sweep or the next growth drops it."""
        self._most_slots = _FEW_SLOTS
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def add(self, deadline: float, item: Expirable) -> Slot:
        """Expire `item` at `deadline` (seconds of the loop's clock). Returns the slot that holds it until then."""
        slot = int(deadline * _SLOTS_PER_SECOND) + 1  # the slot's end, so never early
        items = self.slots.get(slot)
        if items is None:
            if len(self.slots) >= self._most_slots:
                # Deadlines are far off and calls are short: without this a slot would stay until it is due, an hour on or a day.
                self._drop_empty()
                self._most_slots = max(_FEW_SLOTS, 2 * len(self.slots))
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
            while items:  # one at a time, since an expiry may discard what stands behind it
                item = next(iter(items))
                del items[item]
                item.expire()
        # With those go the slots that emptied in the meantime: under load most calls end long before their deadline.
        self._drop_empty()
        if slots and (self._timer is None or self._timer_slot > min(slots)):
            self._arm(min(slots))

    def _drop_empty(self) -> None:
        slots = self.slots
        for slot in [key for key, items in slots.items() if not items]:
            del slots[slot]


_wheels: dict[asyncio.AbstractEventLoop, DeadlineWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> DeadlineWheel:
    """The loop's wheel, made on first use. Making one forgets those of loops that have been closed, so that none is kept for good."""
    wheel = _wheels.get(loop)
    if wheel is None:
        for closed in [known for known in _wheels if known.is_closed()]:
            del _wheels[closed]
        wheel = _wheels[loop] = DeadlineWheel(loop)
    return wheel
