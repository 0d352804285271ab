"""The calls of one method before they begin: who may, who waits, and who is refused.

A call begins at once while there is a place under the limit and the turn of the loop is young; else it waits. How many may wait follows
from the pace at which calls lately began: once CoDel has seen a queue that stands, no more than begin within its target, so that a call
which cannot begin in time is refused as it comes, for a tenth of what it costs after it has waited. Then the queue is served newest first,
its old end is dropped, and a share of the newcomers, the least important of them, is turned away so that the queue stays half empty: what
is important finds room. The share is an integral controller's, since the load that retries make is not known beforehand.
"""

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from towpath.core import clock
from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import MethodSpec
from towpath.core.signals import Signal, refusal
from towpath.layers.codel import CoDel
from towpath.layers.lag import LagProbe
from towpath.layers.limit import AdaptiveLimit
from towpath.layers.priority import Prioritizer, level_of
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
_GAIN: Final = 0.02
_HALF: Final = 0.5
_HIGHEST_RATE: Final = 0.98
_SAID_AGAIN: Final = 32
"""Refusals that are told the same: their figures and their pushback are of one moment."""

_SHORTEST_PUSHBACK: Final = 0.05
_LONGEST_PUSHBACK: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """`length` (1000) calls of a method may wait at the most, fewer where that would take longer than `burst` (0.1 s), or, once the queue
    stands, than `target` (0.005 s), as CoDel has it over `burst`. A loop that is later than `lag` (0.1 s) is an overload, too."""

    length: int = 1000
    target: float = 0.005
    burst: float = 0.1
    lag: float = 0.1


class _Waiter:
    __slots__ = ("arrived", "begin")

    def __init__(self, arrived: float, begin: "asyncio.Future[bool]") -> None:
        self.arrived = arrived
        self.begin = begin


class Lane:
    """One method's calls. `begun` are under way; `calm` says that nothing stands in a call's way but the limit and the turn."""

    __slots__ = (
        "_full",
        "_gap",
        "_last",
        "_method",
        "_name",
        "_options",
        "_prioritizer",
        "_probe",
        "_queue",
        "_rate",
        "_rng",
        "_said",
        "_signal",
        "_tight_until",
        "_turns",
        "begun",
        "calm",
        "codel",
        "limit",
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
    ) -> None:
        self._method = method
        self._name = method.full_name
        self._options = options
        self._turns = turns
        self._probe = probe
        self._signal = signal
        self._rng = rng
        self._queue: deque[_Waiter] = deque()
        self._rate = 0.0
        self._gap = 0.0
        self._last = 0.0
        self._full = False
        self._tight_until = -inf
        self._said: dict[str, list[Any]] = {}  # by reason: the error, and how often it was given
        self.limit = limit
        self.codel = CoDel(target=options.target, interval=options.burst)
        self._prioritizer = Prioritizer()
        self.begun = 0
        self.calm = True

    def verdict(self, ctx: Context, now: float, waiting: int) -> str:
        """The reason to refuse a call that has come while `waiting` others wait, or empty."""
        options = self._options
        if now < self._tight_until:
            allowed = options.target
        else:
            allowed = options.burst
            if not waiting:
                self._relax()
        room = options.length
        if self._gap:
            room = min(room, max(2, int(allowed / self._gap) - 2))  # less the one that runs, and the one that may begin in the same turn
        lag = self._probe.seconds / options.lag
        pressure = max(waiting / room, _HALF * lag)
        rate = self._rate = min(_HIGHEST_RATE, max(0.0, self._rate + _GAIN * (min(pressure, 1.0) - _HALF)))
        if waiting >= room:
            return CONCURRENCY_LIMIT if self._full else QUEUE_DELAY
        if rate and allowed == options.target and not self._prioritizer.spares(level_of(ctx), rate):
            return LOOP_LAG if lag > 1 else PRIORITY
        return ""

    def gate(self, ctx: Context) -> RpcError | None:
        """As a call arrives, before it costs a task."""
        turns = self._turns
        now = ctx.arrived
        if not self.calm or turns.coming >= self.limit.limit:
            reason = self.verdict(ctx, now, len(self._queue) + turns.coming)
            if reason:
                return self.refuse(reason, now)
        turns.begin(now)
        turns.coming += 1
        ctx.gated = True
        return None

    def refuse(self, reason: str, now: float) -> RpcError:
        """The error that says so; one object for several calls, which nobody may raise."""
        self.calm = False
        self._tight_until = now + _CALM_AFTER
        self._signal(self._name, ROLE, reason, False)
        said = self._said.get(reason)
        if said is None or said[1] >= _SAID_AGAIN:
            said = self._said[reason] = [self.error(reason), 0]
        said[1] += 1
        return said[0]

    def error(self, reason: str) -> RpcError:
        """The refusal, with the figures of the moment."""
        pushback = _SHORTEST_PUSHBACK + (_LONGEST_PUSHBACK - _SHORTEST_PUSHBACK) * self._rate**2
        return refusal(
            Code.RESOURCE_EXHAUSTED,
            self._method,
            role=ROLE,
            reason=reason,
            why="the server is overloaded and refused the call unstarted",
            figures={
                "limit": str(self.limit.limit),
                "under_way": str(self.begun),
                "waiting": str(len(self._queue)),
                "refused_share": f"{self._rate:.2f}",
                "loop_lag_ms": f"{self._probe.seconds * 1000:.1f}",
            },
            pushback=pushback * self._rng.uniform(0.5, 1.5),
        )

    def full(self, now: float) -> bool:
        """Whether a call has to wait: for its turn, for a place, or for those before it."""
        return bool(self._queue) or now > self._turns.until or self.begun >= self.limit.limit

    async def wait(self, ctx: Context, arrived: float, now: float) -> float:
        """Until the call may begin, its place then taken. Returns for how many seconds it has waited for the loop, which is no time if it
        was a place that it waited for: a limit must not learn from the queue that it makes. Raises RpcError if the call may not begin.
        Cancelled, it leaves no trace."""
        if not ctx.gated and (reason := self.verdict(ctx, now, len(self._queue))):
            self.refuse(reason, now)
            raise self.error(reason)
        waiter = _Waiter(arrived, asyncio.get_running_loop().create_future())
        self._queue.append(waiter)
        self.calm = False
        turns = self._turns
        turns.waiting[self] = None
        self._full = full = self.begun >= self.limit.limit
        if not full:
            turns.begin(now)
        try:
            begins = await waiter.begin
        except asyncio.CancelledError:
            if waiter.begin.cancelled():
                self._queue.remove(waiter)
                self._emptied()
            elif waiter.begin.result():
                self.leave()
            raise
        now = clock.now()
        if not begins:
            self.refuse(QUEUE_DELAY, now)
            raise self.error(QUEUE_DELAY)
        return 0.0 if full else now - arrived

    def leave(self) -> None:
        """A call has ended; its place goes to who waits."""
        self.begun -= 1
        if self._queue:
            self._turns.begin(clock.now())

    def serve(self, now: float, most: int) -> int:
        """Let up to `most` calls begin."""
        queue, codel = self._queue, self.codel
        while queue and codel.waited(now, now - queue[0].arrived):
            queue.popleft().begin.set_result(False)
        if codel.overloaded:
            self._tight_until = now + _CALM_AFTER
        newest_first = codel.overloaded
        served = 0
        while queue and served < most and self.begun < self.limit.limit:
            waiter = queue.pop() if newest_first else queue.popleft()
            self.begun += 1
            served += 1
            waiter.begin.set_result(True)
        self._full = self.begun >= self.limit.limit
        if served:
            if self._last:
                gap = (now - self._last) / served
                self._gap = gap if not self._gap else self._gap + _PACE * (gap - self._gap)
            self._last = now
        self._emptied()
        return served

    def _emptied(self) -> None:
        if not self._queue:
            self._turns.waiting.pop(self, None)
            self._last = 0.0
            self._relax()

    def _relax(self) -> None:
        self.calm = not self._queue and not self._rate
