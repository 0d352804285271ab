"""The calls of one method before they begin: who may, who waits, and who is refused.

A call begins at once while the turn of the loop is young; else it waits. The limit of calls under way binds only while the loop is late:
calls that wait for somebody else cost a server that is in time nothing.

A queue is served in order as long as its calls can wait: half of the time that their callers usually give them, less what the method
usually takes. Only a queue that stands, as CoDel has it, and whose calls cannot wait any longer is an overload. The lane is tight then: no
more wait than begin within CoDel's target, the most important first, and who will not begin in time is refused at the end of each turn.
Of equals the oldest begins first while little is in excess, so that no place is idle; the newest while much is, since the next ones are
there soon.

Calls that a gate holds back wait without a task and undecoded, so that to choose among them costs little more than to refuse them. Of what
comes in excess a share, the least important, is turned away before that: as many as were lately more than began. Choosing in each turn
would do it too, but not the same for all calls of one tree (see `towpath.layers.admission.priority`).
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from math import inf
from typing import Any, Final

from towpath.core import clock
from towpath.core.context import Context
from towpath.core.errors import RpcError
from towpath.core.service import Arrival, Fields, Head, MethodSpec
from towpath.core.signals import Signal
from towpath.layers.admission.adaptive_limit import AdaptiveLimit
from towpath.layers.admission.load_shedding import CLASS, Excess
from towpath.layers.admission.loop_lag import LagProbe
from towpath.layers.admission.priority import level, level_of
from towpath.layers.admission.queue_order import Place, by_number, order_of
from towpath.layers.admission.recovery_probe import Trial
from towpath.layers.admission.rejections import Refusals
from towpath.layers.admission.scheduler import MAX_AT_ONCE, SLICE, Turns
from towpath.layers.admission.wait_limits import MIN_ROOM, QueueOptions, Waits
from towpath.layers.admission.waiting_task import Waiter

_log = logging.getLogger("towpath.server")

ROLE: Final = "admission"
CONCURRENCY_LIMIT: Final = "CONCURRENCY_LIMIT"
QUEUE_DELAY: Final = "QUEUE_DELAY"
PRIORITY: Final = "PRIORITY"
LOOP_LAG: Final = "LOOP_LAG"
QUEUE_FULL: Final = "QUEUE_FULL"
"""The reasons of a refusal: no room to wait for a place; the wait is, or would be, too long; others matter more; the loop is late; as many
wait as may at the most."""

_CALM_AFTER: Final = 1.0
"""Seconds without a refusal after which a queue may be long again."""

_UNBOUND: Final = 1 << 62
"""More calls than can be under way."""

_STUCK_AFTER: Final = 1.0
"""Seconds in which calls wait for a place and none becomes free, after which the limit grows."""

_LOOKED_AFTER: Final = 0.02

_GAPS: Final = 0.5
"""How much of the time in which a call begins one may wait who is not chosen while much is in excess: as many come again in a turn."""

_FEW: Final = 2
"""Calls of a turn, of which none is so cheap that its answer should wait for the other's."""

_CHOICE: Final = 64
"""Calls that may come in one turn, beyond those that may wait for another one, to be chosen from."""

_KEPT: Final = 256
"""Calls more important than those that are refused, which may wait in an overload as long as their deadlines allow. They are sorted in
each turn."""


class Lane:
    """One method's calls. `begun` are under way, and `bound` may be: the limit while the loop is late, else any number. `calm` says that
    nothing stands in a call's way but the bound and the turn."""

    __slots__ = (
        "_excess",
        "_looked",
        "_moved",
        "_number",
        "_probe",
        "_refusals",
        "_tight_until",
        "_trial",
        "_turns",
        "begun",
        "bound",
        "calm",
        "limit",
        "queue",
        "unseen",
        "waits",
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
        self._turns = turns
        self._probe = probe
        self.queue: deque[Place] = deque()
        self._number = 0
        self._moved = -inf
        self._tight_until = -inf
        self._trial = Trial()
        self._looked = -inf
        self.limit = limit
        self.waits = Waits(options, limit)
        self._excess = Excess(probe, options.lag)
        self._refusals = Refusals(method, ROLE, self._figures, signal, rng)
        self.begun = 0
        self.bound = _UNBOUND
        self.calm = True

    # The loop was looked at, and a call has ended.

    def looked(self) -> None:
        """The probe has looked at the loop: the limit binds while that is late, and learns what is no harm while it is not."""
        limit, before = self.limit, self.bound
        if not self._probe.late:
            limit.reach(self.begun)
            self.bound = _UNBOUND
        else:
            now = clock.now()
            if not self.queue or self.begun < before:
                self._moved = now
            elif now - self._moved >= _STUCK_AFTER:
                self._moved = now
                limit.grow()
            self.bound = limit.limit
        if self.queue and self.bound > before:
            self._turns.pick()

    def done(self, now: float, wait: float, work: float) -> None:
        """A call that was under way has ended, after `wait` seconds in which it had not begun and `work` in which it had. Never raises: a
        fault of the limit is no fault of the call."""
        late = self._probe.late
        try:
            self.limit.done(now, wait, work, self.begun, late=late)
        except Exception:  # noqa: BLE001 # whatever it is, the call has its answer
            _log.exception("the concurrency limit of a method failed; its calls go on")
        if late:
            self.bound = self.limit.limit

    # A call comes.

    def door(self, head: Head, extra: Fields) -> RpcError | None:
        """As a call's head comes, before anything is made of it: most of what is refused in an overload is refused here."""
        if self.calm or not self.queue:
            return None
        now = clock.now()
        if now >= self._tight_until or self._trial.running:
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
        return len(self.queue) < MIN_ROOM

    def _least_important(self) -> str:
        return LOOP_LAG if self._excess.late else PRIORITY

    def gate(self, ctx: Context, arrival: Arrival) -> RpcError | bool:
        """As a call arrives, before it costs a task."""
        turns = self._turns
        # More than the limit if so many fit in a turn: they will have ended before others of them begin.
        if self.calm and not turns.waiting and (turns.coming < self.limit.limit or turns.coming < turns.at_once):
            # While the loop is in time nobody measures its turns, which costs another look at the sockets for each (a third of what a
            # server with cheap handlers can do, measured).
            if self._probe.late and turns.until == inf:
                turns.begin(ctx.arrived)
            turns.coming += 1
            ctx.gated = True
            return True
        reason = self.hold(ctx, arrival, ctx.arrived)
        if not reason:
            return False
        self.unseen(0.0)
        return self.refuse(reason, ctx.arrived, ctx)

    def hold(self, ctx: Context, arrival: Arrival, now: float) -> str:
        """Have a call wait until it may begin; or, in words, why it may not."""
        queue, excess, waits = self.queue, self._excess, self.waits
        importance = level_of(ctx)
        excess.came(importance)
        waits.given(ctx, now)
        if not queue:
            self._moved = now
            waits.began_anew(now)
        room = waits.length
        if now < self._tight_until and not self._trial.running:
            room = min(room, waits.room(waits.short) + _CHOICE + (_KEPT if importance // CLASS > excess.refused_class else 0))
            if queue and not (ctx.gated or excess.spares(importance, self._few_wait)):
                return self._least_important()
        full = self.begun >= self.bound
        if len(queue) >= room and not self._forgot(now):
            return QUEUE_FULL if room == waits.length else CONCURRENCY_LIMIT if full else QUEUE_DELAY
        self._number += 1
        queue.append(Place(importance, self._number, ctx.arrived or now, full, ctx, arrival))
        if len(queue) == 1:
            self.calm = False
            self._turns.waiting[self] = None
            self._turns.pick()
        elif now < self._tight_until and len(queue) > room - _CHOICE:
            self._turns.pick()  # though no place may be free: there are some to be refused
        return ""

    async def enter(self, ctx: Context) -> float:
        """A call that has a task begins, its place then taken, at once if there is one and the turn is young. Returns for how many seconds
        it has waited for the loop, which is no time if it was a place that it waited for: a limit must not learn from the queue that it
        makes. Raises RpcError if the call may not begin. Cancelled, it leaves no trace."""
        now = clock.now()
        arrived = ctx.arrived or now
        turns = self._turns
        full = self.begun >= self.bound
        if not (full or now > turns.until or (turns.waiting and not ctx.gated)):
            self.begun += 1
            turns.begin(now)
            return now - arrived
        waiter = Waiter(self)
        reason = self.hold(ctx, waiter, now)
        error = self.refuse(reason, now, ctx) if reason else None
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

    def refuse(self, reason: str, now: float, ctx: Context | None = None) -> RpcError:
        """The error that says so; one object for several calls, which nobody may raise. There is an overload as long as calls are refused,
        but for those of which more came together than may wait."""
        self.calm = False
        if reason != QUEUE_FULL:
            self._tighten(now)
        return self._refusals.next(reason, self._excess.share, now, ctx)

    def _figures(self) -> dict[str, str]:
        return {
            "limit": str(self.limit.limit),
            "under_way": str(self.begun),
            "waiting": str(len(self.queue)),
            "excess_share": f"{self._excess.share:.2f}",
            "loop_lag_ms": f"{self._probe.seconds * 1000:.1f}",
        }

    # A turn of the loop.

    @property
    def oldest(self) -> float:
        """When the first of those that wait arrived."""
        return self.queue[0].arrived if self.queue else inf

    def choose(self, now: float, most: int) -> list[Arrival]:
        """Who begins in this turn, `most` at the most; who is left over then, and will not begin in time, is refused."""
        queue = self.queue
        tight = self._stands(now) or now < self._tight_until
        # A turn is long also because much was read in it, which is no reason to begin fewer calls than fit. Rounded, since sockets that are
        # looked at after each millisecond instead of each second one take 8 % of what a server can do at ten times that (measured).
        work = self.limit.baseline
        if work:
            most = max(most, min(MAX_AT_ONCE, round(SLICE / work)))
        most = min(most, self.bound - self.begun)
        # Sorted once in a turn: to look for each of those who begin among thousands would hold the loop for longer than they wait.
        waiting = deque(sorted(queue, key=order_of(self._excess), reverse=True)) if tight else queue
        chosen: list[Arrival] = []
        while waiting and len(chosen) < most:
            place = waiting.popleft()
            if not place.arrival.over:
                place.ctx.called = now if place.full else place.arrived
                # Each is worth a write: its answer would wait for as long as the other, and those of the next turn, compute.
                place.ctx.alone = most <= _FEW
                chosen.append(place.arrival)
        try:
            self._chosen(now, len(chosen), waiting if tight else None)
        except Exception:  # noqa: BLE001 # they have left the queue, and nobody else would begin them
            _log.exception("the figures of a queue failed; its calls go on")
            self._keep([place for place in waiting if not place.arrival.over])
        return chosen

    def _chosen(self, now: float, calls: int, left: "deque[Place] | None") -> None:
        """So many begin; `left` are those who do not, the most important first, in an overload, in which they may not all go on waiting."""
        if left is not None:
            if self._trial.goes_on(now, self.waits.share(len(left))):
                self._keep(sorted(left, key=by_number))
            else:
                self._clear(left, now)
        if calls:
            self._moved = now
            self.waits.began(now, calls)
        self._excess.began(now, calls)
        if not self.queue:
            self._emptied(now)

    def leave(self) -> None:
        """A call has ended; its place goes to who waits."""
        self.begun -= 1
        if self.queue:
            self._turns.pick()

    def forget(self, arrival: Arrival) -> None:
        """A call does not wait any more."""
        queue = self.queue  # `arrival.over` by now, and passed over like a call at the gate that is: many may end at once
        while queue and queue[0].arrival.over:
            queue.popleft()
        while queue and queue[-1].arrival.over:
            queue.pop()
        if not queue:
            self._emptied(clock.now())

    def _stands(self, now: float) -> bool:
        """Whether the queue's oldest end has waited for too long."""
        stands = bool(self.queue) and self.waits.too_long(now, now - self.queue[0].arrived)
        if stands:
            self._tighten(now)
        return stands

    def _tighten(self, now: float) -> None:
        if now >= self._tight_until:
            self._trial.overloaded(now)
        self._tight_until = now + _CALM_AFTER

    def _clear(self, waiting: Iterable[Place], now: float) -> None:
        """Refuse those `waiting`, the most important first, who will not begin in time: of the classes among whom some are refused, who
        would wait for longer than the target, or have waited for more than a moment, since while the loop computes as many again come to
        the sockets. The others may wait for as long as their deadlines allow."""
        waits = self.waits
        target, gap = waits.short, waits.gap
        patience = _GAPS * gap if gap and not self._excess.light else target
        refused = self._excess.refused_class
        left = waits.room(target)
        kept: list[Place] = []
        for place in waiting:
            waited = now - place.arrived
            if place.level // CLASS > refused:
                keeps = len(kept) < _KEPT and waits.in_time(place.ctx.deadline, place.arrived, now + gap * len(kept))
            else:
                keeps = left > 0 and waited <= (target if place.full else patience)
            left -= keeps
            if keeps:
                kept.append(place)
            else:
                self._drop(place, now)
        self._keep(sorted(kept, key=by_number))

    def _drop(self, place: Place, now: float) -> None:
        arrival = place.arrival
        if not arrival.over:
            error = self.refuse(CONCURRENCY_LIMIT if place.full else QUEUE_DELAY, now, place.ctx)
            if not isinstance(arrival, Waiter):
                self.unseen(now - place.arrived)
            arrival.refuse(error)

    def _forgot(self, now: float) -> bool:
        """Whether calls waited that are over, and do not any more. Looked for once in a while: a queue may be long."""
        if now - self._looked < _LOOKED_AFTER:
            return False
        self._looked = now
        before = len(self.queue)
        self._keep([place for place in self.queue if not place.arrival.over])
        return len(self.queue) < before

    def _keep(self, places: list[Place]) -> None:
        self.queue.clear()
        self.queue.extend(places)

    def _emptied(self, now: float) -> None:
        self._turns.waiting.pop(self, None)
        self.waits.emptied(now)
        self.calm = now >= self._tight_until
