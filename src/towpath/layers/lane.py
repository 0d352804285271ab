"""The calls of one method before they begin: who may, who waits, and who is refused.

A call begins at once while there is a place under the limit and the turn of the loop is young; else it waits. While all is well a queue may
be as long as a burst, and is served in order. Once CoDel has seen one that stands, or a call was refused, the lane is tight: no more wait
than begin within CoDel's target, the most important first, and who will not begin in time is refused at the end of each turn. Of equals
the oldest begins first while little is in excess, so that no place is idle; the newest while much is, since the next ones are there soon.

Calls that a gate holds back wait without a task and undecoded, so that to choose among them costs little more than to refuse them. Of what
comes in excess a share, the least important, is turned away before that: as many as were lately more than began. Choosing in each turn
would do it too, but not the same for all calls of one tree (see `towpath.layers.priority`).
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from math import inf
from typing import Any, Final, NamedTuple

from towpath.core import clock
from towpath.core.context import Context
from towpath.core.errors import RpcError
from towpath.core.service import Arrival, Fields, Head, MethodSpec
from towpath.core.signals import Signal
from towpath.layers.codel import CoDel
from towpath.layers.excess import CLASS, Excess
from towpath.layers.lag import EASY, LagProbe
from towpath.layers.limit import AdaptiveLimit
from towpath.layers.priority import level, level_of
from towpath.layers.refusals import Refusals
from towpath.layers.turns import Turns

ROLE: Final = "admission"
CONCURRENCY_LIMIT: Final = "CONCURRENCY_LIMIT"
QUEUE_DELAY: Final = "QUEUE_DELAY"
PRIORITY: Final = "PRIORITY"
LOOP_LAG: Final = "LOOP_LAG"
"""The reasons of a refusal: no room to wait for a place; the wait is, or would be, too long; others matter more; the loop is late."""

_CALM_AFTER: Final = 1.0
"""Seconds without a refusal after which a queue may be long again."""

_PACE: Final = 0.1
_LOOKED_AFTER: Final = 0.02
_LEAST_ROOM: Final = 5
_TURNS: Final = 3

_CHOICE: Final = 64
"""Calls that may come in one turn, beyond those that may wait for another one, to be chosen from."""


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """`length` (1000) calls of a method may wait at the most, fewer where that would take longer than `burst` (0.1 s), or, once the queue
    stands, than `target` (0.005 s), as CoDel has it over `burst`. A loop that is later than `lag` (0.1 s) is an overload, too."""

    length: int = 1000
    target: float = 0.005
    burst: float = 0.1
    lag: float = 0.1


class _Place(NamedTuple):
    """In the queue. Compared by importance: the level, then who came last. `full` says that it is a place under the limit that it waits
    for."""

    level: int
    number: int
    arrived: float
    full: bool
    ctx: Context
    arrival: Arrival


class Lane:
    """One method's calls. `begun` are under way; `calm` says that nothing stands in a call's way but the limit and the turn."""

    __slots__ = (
        "_excess",
        "_gap",
        "_last",
        "_looked",
        "_number",
        "_options",
        "_probe",
        "_refusals",
        "_tight_until",
        "_turns",
        "begun",
        "calm",
        "codel",
        "limit",
        "queue",
        "unseen",
    )

    def __init__(
        self,
        method: MethodSpec[Any, Any],
        limit: AdaptiveLimit,
        turns: Turns,
        probe: LagProbe,
        options: QueueOptions,
        signal: Signal,
        rng: random.Random,
        unseen: Callable[[float], None],
    ) -> None:
        self.unseen = unseen
        """Told how many seconds a call took that was refused at the gate, before the layers that count calls have seen it."""
        self._options = options
        self._turns = turns
        self._probe = probe
        self.queue: deque[_Place] = deque()
        self._number = 0
        self._gap = 0.0
        self._last = 0.0
        self._tight_until = -inf
        self._looked = -inf
        self.limit = limit
        self.codel = CoDel(target=options.target, interval=options.burst)
        self._excess = Excess(probe, options.lag)
        self._refusals = Refusals(method, ROLE, self._figures, signal, rng)
        self.begun = 0
        self.calm = True

    # A call comes.

    def door(self, head: Head, extra: Fields) -> RpcError | None:
        """As a call's head comes, before anything is made of it: most of what is refused in an overload is refused here."""
        if self.calm or not self.queue:
            return None
        now = clock.now()
        if now >= self._tight_until:
            return None
        importance = level(*head.standing(extra))
        if self._excess.spares(importance, self._few_wait):
            return None
        self._excess.came(importance)
        self.unseen(0.0)
        return self.refuse(self._least_important(), now)

    @property
    def _few_wait(self) -> bool:
        """Whether the next turn may have room for all who do."""
        return len(self.queue) < _LEAST_ROOM

    def _least_important(self) -> str:
        return LOOP_LAG if self._excess.late else PRIORITY

    def gate(self, ctx: Context, arrival: Arrival) -> RpcError | bool:
        """As a call arrives, before it costs a task."""
        turns = self._turns
        # More than the limit if so many fit in a turn: they will have ended before others of them begin.
        if self.calm and (turns.coming < self.limit.limit or turns.coming < turns.at_once):
            # While the loop is in time nobody measures its turns, which costs another look at the sockets for each (a third of what a
            # server with cheap handlers can do, measured).
            if self._probe.seconds >= EASY and turns.until == inf:
                turns.begin(ctx.arrived)
            turns.coming += 1
            ctx.gated = True
            return True
        reason = self.hold(ctx, arrival, ctx.arrived, spared=True)
        if not reason:
            return False
        self.unseen(0.0)
        return self.refuse(reason, ctx.arrived)

    def hold(self, ctx: Context, arrival: Arrival, now: float, *, spared: bool = False) -> str:
        """Have a call wait until it may begin; or, in words, why it may not. `spared` says that it came by the door."""
        options, queue = self._options, self.queue
        excess = self._excess
        importance = level_of(ctx)
        excess.came(importance)
        if now < self._tight_until:
            room = self._room(self.codel.target) + _CHOICE
            if queue and not (spared or ctx.gated or excess.spares(importance, self._few_wait)):
                return self._least_important()
        elif len(queue) < self._room(options.burst):
            room = inf
        else:  # nobody is refused for having come last: the next turn chooses
            self._tight_until = now + _CALM_AFTER
            room = len(queue) + 1
        full = self.begun >= self.limit.limit
        if len(queue) >= room and not self._forgot(now):
            return CONCURRENCY_LIMIT if full else QUEUE_DELAY
        if not queue:
            self.calm = False
            self._turns.waiting[self] = None
            self._turns.pick()
        elif now < self._tight_until and len(queue) >= room - _CHOICE:
            self._turns.pick()  # though no place may be free: there are some to be refused
        self._number += 1
        queue.append(_Place(importance, self._number, ctx.arrived or now, full, ctx, arrival))
        return ""

    async def enter(self, ctx: Context) -> float:
        """A call that has a task begins, its place then taken, at once if there is one and the turn is young. Returns for how many seconds
        it has waited for the loop, which is no time if it was a place that it waited for: a limit must not learn from the queue that it
        makes. Raises RpcError if the call may not begin. Cancelled, it leaves no trace."""
        now = clock.now()
        arrived = ctx.arrived or now
        turns = self._turns
        full = self.begun >= self.limit.limit
        if not (full or now > turns.until or (self.queue and not ctx.gated)):
            self.begun += 1
            turns.begin(now)
            return now - arrived
        waiter = _Waiter(self)
        reason = self.hold(ctx, waiter, now)
        error = self.refuse(reason, now) if reason else None
        if error is None:
            try:
                error = await waiter.told
            except asyncio.CancelledError:
                waiter.leave()
                raise
        if error is not None:
            raise copy(error)  # the one that others are told, too, must not be raised
        return 0.0 if full else clock.now() - arrived

    # A call is refused.

    def refuse(self, reason: str, now: float) -> RpcError:
        """The error that says so; one object for several calls, which nobody may raise."""
        self.calm = False
        self._tight_until = now + _CALM_AFTER
        return self._refusals.next(reason, self._excess.share, now)

    def _figures(self) -> dict[str, str]:
        return {
            "limit": str(self.limit.limit),
            "under_way": str(self.begun),
            "waiting": str(len(self.queue)),
            "excess_share": f"{self._excess.share:.2f}",
            "loop_lag_ms": f"{self._probe.seconds * 1000:.1f}",
        }

    # A turn of the loop.

    def choose(self, now: float, most: int) -> list[Arrival]:
        """Who begins in this turn, `most` at the most; who is left over then, and will not begin in time, is refused."""
        queue = self.queue
        tight = now < self._tight_until or self._stands(now)
        most = min(most, self.limit.limit - self.begun)
        order = self._order()
        chosen: list[Arrival] = []
        while queue and len(chosen) < most:
            if tight:
                place = max(queue, key=order)
                queue.remove(place)
            else:
                place = queue.popleft()
            if not place.arrival.over:
                place.ctx.called = now if place.full else place.arrived
                chosen.append(place.arrival)
        excess = bool(queue)
        if tight and excess:
            self._clear(now)
        served = len(chosen)
        if served:
            if self._last:
                gap = (now - self._last) / served
                gap = self._gap = gap if not self._gap else self._gap + _PACE * (gap - self._gap)
                self.codel.target = max(self._options.target, _LEAST_ROOM * gap)
            self._last = now if excess else 0.0
        self._excess.began(now, served)
        if not queue:
            self._emptied(now)
        return chosen

    def leave(self) -> None:
        """A call has ended; its place goes to who waits."""
        self.begun -= 1
        if self.queue:
            self._turns.pick()

    def forget(self, arrival: Arrival) -> None:
        """A call does not wait any more."""
        self._keep([place for place in self.queue if place.arrival is not arrival])
        if not self.queue:
            self._emptied(clock.now())

    def _stands(self, now: float) -> bool:
        """Whether CoDel says that the queue does; its oldest end, which has waited too long, is then refused."""
        queue, codel = self.queue, self.codel
        while queue and codel.waited(now, now - queue[0].arrived):
            self._drop(queue.popleft(), now)
        if codel.overloaded:
            self._tight_until = now + _CALM_AFTER
        return codel.overloaded

    def _order(self) -> Callable[[_Place], tuple[int, int]]:
        """What ranks calls. While little is in excess they begin in order; so does, at any time, a class that is not being refused, or its
        lowest cohorts would wait for ever."""
        if self._excess.light:
            return _oldest_first
        refused = self._excess.refused_class
        return lambda place: (place.level, place.number) if place.level // CLASS <= refused else _beyond(place)

    def _clear(self, now: float) -> None:
        """Refuse who will not begin in time: of the classes among whom some are refused, who would wait for longer than the target, or for
        more than a few turns, since while the loop computes as many again come to the sockets. The others may wait as long as a burst."""
        target = self.codel.target
        patience = _TURNS * self._gap if self._gap and not self._excess.light else target
        refused = self._excess.refused_class
        left = self._room(target)
        kept: list[_Place] = []
        for place in sorted(self.queue, key=self._order(), reverse=True):
            waited = now - place.arrived
            if place.level // CLASS > refused:
                keeps = waited <= self._options.burst
            else:
                keeps = left > 0 and waited <= (target if place.full else patience)
            left -= keeps
            if keeps:
                kept.append(place)
            else:
                self._drop(place, now)
        if len(kept) < len(self.queue):
            self._keep(sorted(kept, key=_by_number))

    def _drop(self, place: _Place, now: float) -> None:
        arrival = place.arrival
        if not arrival.over:
            error = self.refuse(CONCURRENCY_LIMIT if place.full else QUEUE_DELAY, now)
            if not isinstance(arrival, _Waiter):
                self.unseen(now - place.arrived)
            arrival.refuse(error)

    def _room(self, allowed: float) -> int:
        """How many may wait so that each begins within `allowed` seconds."""
        length, gap = self._options.length, self._gap
        return min(length, max(_LEAST_ROOM, int(allowed / gap))) if gap else length

    def _forgot(self, now: float) -> bool:
        """Whether calls waited that are over, and do not any more. Looked for once in a while: a queue may be long."""
        if now - self._looked < _LOOKED_AFTER:
            return False
        self._looked = now
        before = len(self.queue)
        self._keep([place for place in self.queue if not place.arrival.over])
        return len(self.queue) < before

    def _keep(self, places: list[_Place]) -> None:
        self.queue.clear()
        self.queue.extend(places)

    def _emptied(self, now: float) -> None:
        self._turns.waiting.pop(self, None)
        self.calm = now >= self._tight_until


class _Waiter:
    """A call that has a task already, which waits."""

    __slots__ = ("_lane", "told")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.told: asyncio.Future[RpcError | None] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """Whether it waits no more."""
        return self.told.done()

    def begin(self) -> None:
        """It may; its place is taken."""
        self._lane.begun += 1
        self.told.set_result(None)

    async def run(self) -> None:
        """It has a task."""
        self.begin()

    def refuse(self, error: RpcError) -> None:
        """It may not."""
        self.told.set_result(error)

    def leave(self) -> None:
        """It is cancelled: while it waited, or after it was told and before it could hear it."""
        if self.told.cancelled():
            self._lane.forget(self)
        elif self.told.result() is None:
            self._lane.leave()


def _oldest_first(place: _Place) -> tuple[int, int]:
    return place.level // CLASS, -place.number


def _beyond(place: _Place) -> tuple[int, int]:
    """The oldest first, and all of them before those of a lower class, whatever these have for a number."""
    return place.level // CLASS * CLASS, -place.number


def _by_number(place: _Place) -> int:
    return place.number
