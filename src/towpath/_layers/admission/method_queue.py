"""The calls of one method before they begin: which may begin, which wait, and which are rejected.

A call begins at once while the turn of the loop is young; else it waits. The limit of calls under way binds only while the loop is late.

A queue is served in order as long as its calls can wait: half of the time that their callers usually give them, less what the method
usually takes. Only a queue that stands, as CoDel has it, and whose calls cannot wait any longer is an overload. In an overload no more
calls wait than begin within CoDel's target, the most important first, and calls that will not begin in time are rejected at the end of each
turn. Of equals the oldest begins first while few are shed, so that no place is idle; the newest begins first while many are, since the next
ones are there soon.

Calls that were held back as they arrived wait without a task and undecoded, so that to choose among them costs little more than to reject
them. `towpath._layers.admission.method_early_rejection` rejects the least important before that: as many as were lately more than began.
Choosing in each turn would do it too, but not the same for all calls of one tree (see `towpath._layers.admission.priority`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from copy import copy
from typing import Final

from towpath._core import clock
from towpath._core.clock import TimeSource
from towpath._core.context import Context
from towpath._core.early_rejection import PendingCall, Rejection
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.admission_queue import AdmissionQueue, QueueEntry, WaitingTask
from towpath._layers.admission.in_flight import InFlight
from towpath._layers.admission.load_shedding import LEVELS_PER_CLASS, LoadShedding
from towpath._layers.admission.loop_lag import LagProbe
from towpath._layers.admission.overload import CALM_AFTER, OverloadState
from towpath._layers.admission.priority import level_of
from towpath._layers.admission.rejections import (
    CONCURRENCY_LIMIT,
    LOOP_LAG,
    PRIORITY,
    QUEUE_DELAY,
    QUEUE_FULL,
    Reason,
    Rejections,
)
from towpath._layers.admission.scheduler import MAX_BATCH, SLICE, Scheduler
from towpath._layers.admission.wait_limits import DEFAULT_QUEUE, MIN_CAPACITY, QueueOptions, WaitLimits

_log = logging.getLogger("towpath.server")

_MAX_INTERVALS: Final = 0.5
"""How much of the time between two starts a call may have waited that is not chosen while many calls are shed: as many come again in a
turn."""

_FEW: Final = 2
"""Calls of a turn, of which none is so cheap that its answer should wait for the other's."""

_CHOICE: Final = 64
"""Calls that may come in one turn, beyond those that may wait for another one, to be chosen from."""

_KEPT: Final = 256
"""Calls more important than those that are shed, which may wait in an overload as long as their deadlines allow. They are sorted in each
turn."""


def _ignore(_: float) -> None:
    """The callback of a queue whose rejections nobody counts."""


class MethodQueue:
    """One method's calls. `scheduler` and `probe` are those of the server's loop, and `time` is their time."""

    __slots__ = (
        "_entries",
        "_probe",
        "_rejections",
        "_scheduler",
        "_time",
        "calm",
        "in_flight",
        "on_rejected",
        "overload",
        "queue",
        "shedding",
        "waits",
    )

    def __init__(
        self,
        in_flight: InFlight,
        scheduler: Scheduler,
        probe: LagProbe,
        rejections: Rejections,
        options: QueueOptions = DEFAULT_QUEUE,
        time: TimeSource = clock,
    ) -> None:
        self._scheduler = scheduler
        self._probe = probe
        self._rejections = rejections
        self._time = time
        self.in_flight = in_flight
        """The calls that have begun."""
        self.queue = AdmissionQueue()
        """The calls that wait."""
        self._entries = self.queue.entries
        self.overload = OverloadState()
        """Whether the method is overloaded."""
        self.waits = WaitLimits(options, in_flight.limit)
        """For how long calls may wait."""
        self.shedding = LoadShedding(probe, options.max_lag)
        """Which calls are rejected before they wait."""
        self.calm = True
        """Whether nothing stands in a call's way but the calls under way and the turn."""
        self.on_rejected: Callable[[float], None] = _ignore
        """Told how many seconds a call took that was rejected without a task, since the layers that count calls have not seen it."""

    # The loop was measured, and a call has ended.

    def loop_measured(self) -> None:
        """Let the limit bind while the loop is late, and learn what does no harm while it is not."""
        in_flight, before = self.in_flight, self.in_flight.max_count
        if self._probe.late:
            in_flight.bind(self._time.now(), waiting=bool(self._entries))
        else:
            in_flight.release_bound()
        if self._entries and in_flight.max_count > before:
            self._scheduler.wake()

    def leave(self) -> None:
        """Count a call that has ended, so that another one may begin."""
        self.in_flight.count -= 1
        if self._entries:
            self._scheduler.wake()

    # A call comes.

    def put(self, ctx: Context, server_call: ServerCallInfo, call: PendingCall, now: float) -> Reason | None:
        """Have a call wait until it may begin; returns why it may not, or None."""
        entries, shedding, waits = self._entries, self.shedding, self.waits
        level = level_of(ctx)
        shedding.record_arrival(level)
        waits.record_timeout(ctx.deadline, server_call.arrived)
        if not entries:
            self.in_flight.record_start(now)
            waits.queue_began(now)
        capacity = waits.max_length
        if self.overload.is_rejecting(now):
            matters = level // LEVELS_PER_CLASS > shedding.shed_class
            capacity = min(capacity, waits.capacity(waits.overload_wait) + _CHOICE + (_KEPT if matters else 0))
            if entries and not (server_call.admitted or shedding.admits(level, len(entries))):
                return LOOP_LAG if shedding.loop_is_late else PRIORITY
        blocked = self.in_flight.count >= self.in_flight.max_count
        if len(entries) >= capacity and not self.queue.purge(now):
            return QUEUE_FULL if capacity == waits.max_length else CONCURRENCY_LIMIT if blocked else QUEUE_DELAY
        self.queue.append(level, ctx, server_call, call, blocked=blocked)
        if len(entries) == 1:
            self.calm = False
            self._scheduler.queues[self] = None
            self._scheduler.wake()
        elif self.overload.is_active(now) and len(entries) > capacity - _CHOICE:
            self._scheduler.wake()  # though nothing may begin: there are calls to be rejected
        return None

    def try_start(self, call: ServerCallInfo) -> bool:
        """Begin a call at once if the limit allows and the turn of the loop surely has time for it; returns whether it has begun.

        A turn that is measured has time while its quota lasts; calls that were admitted on arrival come before those that were not. A loop
        that is in time measures no turns: it has time for admitted calls as long as `Scheduler.has_time` says so. A call that has not begun
        is to `enter`.
        """
        scheduler, in_flight = self._scheduler, self.in_flight
        if in_flight.count >= in_flight.max_count:
            return False
        in_quota = scheduler.quota > 0 and (call.admitted or not self._entries)
        if not in_quota and not (call.admitted and self.calm and not self._probe.late and scheduler.has_time()):
            return False
        scheduler.quota -= 1
        in_flight.count += 1
        return True

    async def enter(self, ctx: Context, server_call: ServerCallInfo) -> float:
        """Begin a call that has a task, at once if the turn is young and the limit allows, else when it is chosen.

        Returns for how many seconds it has waited for the loop. That is 0 if it waited for other calls to end: a limit must not learn from
        the queue that it makes. Raises RpcError if the call is rejected. A cancelled call leaves no trace.
        """
        now = self._time.now()
        arrived = server_call.arrived
        scheduler, in_flight = self._scheduler, self.in_flight
        blocked = in_flight.count >= in_flight.max_count
        if not (blocked or now > scheduler.until or (scheduler.queues and not server_call.admitted)):
            in_flight.count += 1
            scheduler.start_turn(now)
            return now - arrived
        task = WaitingTask(self)
        reason = self.put(ctx, server_call, task, now)
        rejection = None if reason is None else self.reject(reason, now, ctx)
        if rejection is None:
            try:
                rejection = await task.outcome
            except asyncio.CancelledError:
                task.cancelled()
                raise
        if rejection is not None:
            raise copy(rejection.error)  # the one that others are told, too, must not be raised
        return 0.0 if blocked else self._time.now() - arrived

    def reject(self, reason: Reason, now: float, ctx: Context | None = None) -> Rejection:
        """The rejection of a call, which others get too. There is an overload as long as calls are
        rejected, unless more came together than may wait."""
        self.calm = False
        if reason != QUEUE_FULL:
            self.overload.extend(now)
        return self._rejections.next(reason, now, self, ctx)

    def shed(self, level: int, now: float) -> Rejection | None:
        """The rejection of a call of `level` by its headers alone, which lengthens the overload that there is; None if the call is not to
        be shed."""
        shedding = self.shedding
        # INLINED: LoadShedding.admits
        if shedding.prioritizer.admits(level) or (shedding.spares_few and len(self._entries) < MIN_CAPACITY):
            return None
        shedding.record_arrival(level)
        self.on_rejected(0.0)
        self.overload.until = now + CALM_AFTER  # INLINED: OverloadState.extend
        return self._rejections.next(LOOP_LAG if shedding.loop_is_late else PRIORITY, now, self)

    @property
    def excess(self) -> float:
        """The fraction of calls that is shed, 0 to 1."""
        return self.shedding.fraction

    def figures(self) -> dict[str, str]:
        """What a caller is told that decided."""
        return {
            "limit": str(self.in_flight.limit.limit),
            "under_way": str(self.in_flight.count),
            "waiting": str(len(self._entries)),
            "excess_share": f"{self.shedding.fraction:.2f}",
            "loop_lag_ms": f"{self._probe.seconds * 1000:.1f}",
        }

    # A turn of the loop.

    @property
    def oldest(self) -> float:
        """When the first call that waits arrived."""
        return self.queue.oldest

    def choose(self, now: float, max_calls: int) -> list[PendingCall]:
        """Take the calls that begin in this turn, `max_calls` at most. In an overload, reject those of the others that will not begin in
        time."""
        entries = self._entries
        overloaded = self._is_standing(now) or self.overload.is_active(now)
        # A turn is long also because much was read in it, which is no reason to begin fewer calls than fit. Rounded, since sockets that are
        # looked at after each millisecond instead of each second one take 8 % of what a server can do at ten times that (measured).
        work = self.in_flight.limit.baseline
        if work:
            max_calls = max(max_calls, min(MAX_BATCH, round(SLICE / work)))
        max_calls = min(max_calls, self.in_flight.max_count - self.in_flight.count)
        waiting = self.queue.by_importance(self.shedding) if overloaded else entries
        chosen: list[PendingCall] = []
        while waiting and len(chosen) < max_calls:
            entry = waiting.popleft()
            if not entry.call.over:
                entry.server_call.chosen_from = now if entry.blocked else entry.arrived
                # Each is worth a write: its answer would wait for as long as the other, and those of the next turn, compute.
                entry.server_call.flush_alone = max_calls <= _FEW
                chosen.append(entry.call)
        try:
            self._record_turn(now, len(chosen), waiting if overloaded else None)
        except Exception:  # noqa: BLE001 # they have left the queue, and nobody else would begin them
            _log.exception("the figures of a queue failed; its calls go on")
            self.queue.keep([entry for entry in waiting if not entry.call.over])
        return chosen

    def _record_turn(self, now: float, calls: int, left: deque[QueueEntry] | None) -> None:
        """Count `calls` that begin. In an overload `left` are the calls that do not, the most important first; else it is None."""
        if left is not None:
            if self.overload.probe.update(now, self.waits.wait_fraction(len(left))):
                self.queue.keep(left)
            else:
                self._clear(left, now)
        if calls:
            self.in_flight.record_start(now)
            self.waits.record_starts(now, calls)
        self.shedding.record_starts(now, calls)
        if not self._entries:
            self._emptied(now)

    def discard(self) -> None:
        """Forget calls that do not wait any more, and are `over` by now."""
        self.queue.trim()
        if not self._entries:
            self._emptied(self._time.now())

    def _is_standing(self, now: float) -> bool:
        """Whether the oldest call in the queue has waited for too long."""
        standing = bool(self._entries) and self.waits.is_too_long(now, now - self._entries[0].arrived)
        if standing:
            self.overload.extend(now)
        return standing

    def _clear(self, waiting: Iterable[QueueEntry], now: float) -> None:
        """Reject the calls of those `waiting`, the most important first, that will not begin in time.

        In the classes that are being shed, those are the calls that would wait for longer than the target. It is also the calls that have
        waited for more than a moment: while the loop computes, as many again come to the sockets. Calls of other classes may wait for as
        long as their deadlines allow.
        """
        waits = self.waits
        target, interval = waits.overload_wait, waits.start_interval
        max_wait = _MAX_INTERVALS * interval if interval and not self.shedding.is_light else target
        shed_class = self.shedding.shed_class
        left = waits.capacity(target)
        kept: list[QueueEntry] = []
        for entry in waiting:
            waited = now - entry.arrived
            if entry.level // LEVELS_PER_CLASS > shed_class:
                keeps = len(kept) < _KEPT and waits.meets_deadline(entry.ctx.deadline, entry.arrived, now + interval * len(kept))
            else:
                keeps = left > 0 and waited <= (target if entry.blocked else max_wait)
            left -= keeps
            if keeps:
                kept.append(entry)
            else:
                self._drop(entry, now)
        self.queue.keep(kept)

    def _drop(self, entry: QueueEntry, now: float) -> None:
        call = entry.call
        if not call.over:
            rejection = self.reject(CONCURRENCY_LIMIT if entry.blocked else QUEUE_DELAY, now, entry.ctx)
            if not isinstance(call, WaitingTask):
                self.on_rejected(now - entry.arrived)
            call.reject(rejection)

    def _emptied(self, now: float) -> None:
        self._scheduler.queues.pop(self, None)
        self.waits.queue_emptied(now)
        self.calm = not self.overload.is_active(now)
