"""A heartbeat on the loop, and a thread that looks at the loop's stack when a beat does not come.

The thread sleeps until the beat is overdue, looks, and looks again every few milliseconds while it stays away. So a block is seen while it
lasts. Whether code is to blame is judged by all of that together (`diagnosis.py`). While no calls come there is no beat, and the thread
sleeps without an end.

A block begins some time after the last beat. So each block of `limit` seconds is found, and some that are up to `PERIOD` shorter are, too.
"""

import asyncio
import inspect
import threading
import time as wall
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Final, NamedTuple

from towpath._core import clock
from towpath._core.calls.activity import Activity, activity_of
from towpath._core.clock import TimeSource
from towpath._telemetry.loop_monitor.block import Block, Cause
from towpath._telemetry.loop_monitor.blocked_calls import Calls, culprit, told, victims
from towpath._telemetry.loop_monitor.diagnosis import ENOUGH, Evidence, Verdict, diagnosed
from towpath._telemetry.loop_monitor.gc_pauses import GcPauses
from towpath._telemetry.loop_monitor.measures import System, Thread
from towpath._telemetry.loop_monitor.stack import Stack, base_of, calls_something, frames, thread_stack

PERIOD: Final = 0.02
"""Seconds between two beats."""

DEFAULT_LIMIT: Final = 0.05
"""Seconds from which it is reported that the loop does not turn."""

_OVERDUE: Final = 0.016
"""Seconds after the next beat was due at which the monitor looks for the first time."""

_AGAIN: Final = 0.01
"""Seconds between two looks at a loop that does not turn, in its first second."""

_LONG: Final = 1.0
"""Seconds after which it is looked at only this often."""

_THROTTLED_PERIOD: Final = 0.1
"""Seconds between two looks at the time for which the container's limit held the process back: as long as such a limit counts."""

_QUIET_BEATS: Final = 8
"""Beats without a request after which it is looked whether calls are under way. If none are there are no more beats."""


class Gap(NamedTuple):
    """The time between two beats that were too far apart, as the loop's thread has seen it."""

    began: float
    ended: float
    before: bytes
    after: bytes


class _Callback:
    """One callback that was found at one look, or at several in a row."""

    __slots__ = ("at_call", "began", "last", "looks", "running", "stack", "where")

    def __init__(self, running: object, stack: Stack, now: float) -> None:
        self.running = running
        self.began = self.last = now
        self.stack = stack
        self.where = _where(stack)
        self.at_call = not stack.places or calls_something(stack.places[0])
        self.looks = 1


def _where(stack: Stack) -> object:
    return (stack.inner, stack.places[0]) if stack.places else None


class _Suspicion:
    """What was seen of a loop since the last beat."""

    __slots__ = ("asleep", "began", "best", "block", "busy_looks", "calls", "late", "latest", "looks", "next_report", "state")

    def __init__(self, began: float, limit: float) -> None:
        self.began = began
        self.next_report = limit
        self.looks = 0
        self.late = 0.0
        self.state = ""
        self.asleep = False
        self.busy_looks = 0
        """Looks that found a callback."""
        self.latest: _Callback | None = None
        self.best: _Callback | None = None
        """The callback that was found most often in a row."""
        self.block: Block | None = None
        self.calls: Calls | None = None
        """The calls that were under way when it was first reported."""

    def add(self, stack: Stack, task: object, now: float, late: float, state: str) -> None:
        """Keep what one look has found. The stack that is kept of a callback is the first one."""
        self.looks += 1
        self.late += late
        self.state = state
        running = task if task is not None else stack.outer
        if stack.idle or (running is None and state == "R"):
            return
        self.busy_looks += 1
        self.asleep = self.asleep or state in ("S", "D")
        latest = self.latest
        if latest is None or latest.running is not running:
            latest = self.latest = _Callback(running, stack, now)
        else:
            latest.looks += 1
            latest.last = now
            latest.at_call = latest.at_call and _where(stack) == latest.where
        if self.best is None or latest.looks >= self.best.looks:
            self.best = latest


class LoopMonitor:
    """Watches the loop that calls `start`, until `close`. `on_block` is called in the monitor's thread: while a block lasts, if it was
    seen in time, and again whenever it has become twice as long, and once when it has ended. What it raises ends nothing and is dropped.
    `beside` is called in that thread whenever it looks at a loop that turns, or does not."""

    def __init__(
        self,
        on_block: Callable[[Block], None],
        *,
        limit: float = DEFAULT_LIMIT,
        time: TimeSource = clock,
        system: Callable[[], System] = Thread,
        beside: Callable[[], None] | None = None,
    ) -> None:
        self._on_block = on_block
        self._limit = limit
        self._time = time
        self._make_system = system
        self._beside = beside
        self._pauses = GcPauses(time)
        self._gaps: deque[Gap] = deque(maxlen=16)
        self._suspicion: _Suspicion | None = None
        self._due = 0.0
        self._number = 0
        self._quiet_beats = 0
        self._wake = threading.Lock()  # a third of the cost of an event, which makes a lock for each wait
        self._wake.acquire()
        self._thread: threading.Thread | None = None
        self._base: FrameType | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._process_cpu = self._throttled = self._own_wait = 0.0
        self._throttled_due = 0.0
        self.armed = False
        """Whether beats are expected."""
        self.beat = 0.0
        """When the last beat was."""
        self.beats = 0
        """How many there were."""
        self._raw = b""

    # In the loop's thread.

    def start(self, *, thread: bool = True) -> None:
        """Watch the running loop, once the next request comes. Without `thread` it is the caller that calls `look`."""
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._system: Any = self._make_system()
        self._activity: Activity = activity_of(self._loop)
        self._activity.on_request = self._on_request
        self._activity.quiet = True
        self._loop.call_soon(self._learn_base)
        self._pauses.start()
        if thread:
            self._thread = threading.Thread(target=self._watch, name="towpath-loop-monitor", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Watch no more. It is called in the loop's thread, and waits for the monitor's one."""
        self.armed = False
        self._activity.quiet = False
        if self._timer is not None:
            self._timer.cancel()
        self._pauses.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._closing = True
            self._rouse()
            thread.join()
        self._base = None
        close = getattr(self._system, "close", None)
        if close is not None:
            close()

    _closing = False

    def _rouse(self) -> None:
        with suppress(RuntimeError):  # it was roused already
            self._wake.release()

    def _learn_base(self) -> None:
        self._base = base_of(inspect.currentframe())

    def _on_request(self) -> None:
        """The first read since the last beat."""
        self._quiet_beats = 0
        if not self.armed:
            self._raw = self._system.raw_figures()
            self.beat = self._time.now()
            self._timer = self._loop.call_later(PERIOD, self._beat)
            self.armed = True
            self._rouse()

    def _beat(self) -> None:
        now = self._time.now()
        raw = self._system.raw_figures()
        if now - self.beat >= self._limit:
            self._gaps.append(Gap(self.beat, now, self._raw, raw))
        self._raw = raw
        self.beat = now
        self.beats += 1
        self._quiet_beats += 1
        if self._quiet_beats >= _QUIET_BEATS:
            self._quiet_beats = 0
            if not self._activity.calls():
                self.armed = False
        self._activity.quiet = True
        if self.armed:
            self._timer = self._loop.call_later(PERIOD, self._beat)

    # In the monitor's thread.

    def _watch(self) -> None:
        while not self._closing:
            timeout = self.look()
            if timeout is not None and self._beside is not None:
                self._beside()
            self._wake.acquire(timeout=-1 if timeout is None else timeout)

    def look(self) -> float | None:
        """Look whether the beat is overdue, and return after how many seconds to look again; None until beats are expected again."""
        suspicion, beat = self._suspicion, self.beat
        if suspicion is not None and suspicion.began != beat:
            self._settle(suspicion)
            self._suspicion = suspicion = None
        while self._gaps:  # that nobody saw
            self._settle(_Suspicion(self._gaps[0].began, self._limit))
        if not self.armed:
            return None
        now = self._time.now()
        first = min(PERIOD + _OVERDUE, self._limit)
        if suspicion is None:
            if now - beat < first:
                self._due = beat + first
                self._baseline(now)
                return self._due - now
            suspicion = self._suspicion = _Suspicion(beat, self._limit)
        self._sample(suspicion, now)
        if now - beat >= suspicion.next_report:
            suspicion.next_report = 2 * (now - beat)  # more is known by then
            self._report(suspicion, now - beat, None)
        step = _AGAIN if now - beat < _LONG else _LONG
        self._due = now + step
        return step

    def _baseline(self, now: float) -> None:
        """Remember what can only be compared, about as often as beats come. The container's file is costly to read."""
        self._process_cpu = self._system.process_cpu()
        if now >= self._throttled_due:
            self._throttled_due = now + _THROTTLED_PERIOD
            self._throttled = self._system.throttled()
        self._own_wait = self._system.own_wait()

    def _sample(self, suspicion: _Suspicion, now: float) -> None:
        own_wait = self._system.own_wait()
        late = max(0.0, now - max(self._due, suspicion.began) - (own_wait - self._own_wait)) if self._due else 0.0
        self._own_wait = own_wait
        with suppress(Exception):  # whatever the stack is, the loop goes on
            task = asyncio.current_task(self._loop)
            suspicion.add(thread_stack(self._ident, self._base), task, now, late, self._system.state())

    def _settle(self, suspicion: _Suspicion) -> None:
        """The beat has come: if too late, say what it was."""
        gap = next((gap for gap in self._gaps if gap.began == suspicion.began), None)
        while self._gaps and self._gaps[0].began <= suspicion.began:
            self._gaps.popleft()
        if gap is None:
            return
        if suspicion.looks == 0:  # the thread itself came too late
            suspicion.late = max(0.0, self._time.now() - max(self._due, gap.began))
        self._report(suspicion, gap.ended - gap.began, gap)

    def _report(self, suspicion: _Suspicion, elapsed: float, gap: Gap | None) -> None:
        verdict = diagnosed(self._evidence(suspicion, elapsed, gap))
        block = self._block(suspicion, elapsed, verdict, ended=gap is not None)
        suspicion.block = block
        with suppress(Exception):
            self._on_block(block)

    def _evidence(self, suspicion: _Suspicion, elapsed: float, gap: Gap | None) -> Evidence:
        system = self._system
        before = system.figures(self._raw if gap is None else gap.before)
        if gap is None:
            ran, waited = system.cpu() - before.ran, system.figures(system.raw_figures()).waited - before.waited
        else:
            after = system.figures(gap.after)
            ran, waited = after.ran - before.ran, after.waited - before.waited
        pauses, _ = self._pauses.within(suspicion.began, suspicion.began + elapsed)
        best = suspicion.best
        return Evidence(
            elapsed=elapsed,
            limit=self._limit,
            ran=max(0.0, ran),
            waited=max(0.0, waited),
            process_ran=max(0.0, system.process_cpu() - self._process_cpu),
            throttled=max(0.0, system.throttled() - self._throttled),
            gc=pauses,
            late=suspicion.late,
            looks=suspicion.looks,
            state=suspicion.state,
            asleep=suspicion.asleep,
            idle=best is None,
            same=best is not None and (best.looks > suspicion.busy_looks / 2 or best.last - best.began >= ENOUGH * self._limit),
            at_call=best is not None and best.at_call,
        )

    def _block(self, suspicion: _Suspicion, elapsed: float, verdict: Verdict, *, ended: bool) -> Block:
        known = suspicion.block
        if known is None:
            self._number += 1
        blamed = verdict.cause is Cause.CODE
        best = suspicion.best if blamed else None
        places = () if best is None else best.stack.places
        calls = suspicion.calls
        if calls is None:
            calls = suspicion.calls = self._activity.calls()
        by, task = (None, "") if best is None else culprit(best.running, calls)
        waiting = victims(calls, by)
        note = ""
        if verdict.cause is Cause.GC:
            note = f"generation {self._pauses.within(suspicion.began, suspicion.began + elapsed)[1]}"
        elif blamed and not places:
            note = "a callback that is not written in Python, or the event loop itself"
        return Block(
            number=self._number if known is None else known.number,
            began=wall.time() - (self._time.now() - suspicion.began) if known is None else known.began,
            seconds=max(0.0, elapsed - PERIOD / 2),
            ended=ended,
            cause=verdict.cause,
            in_c=verdict.in_c,
            stack=frames(places),
            by=told(by) if by is not None else None,
            task=task,
            waited=waiting.number,
            victims=waiting.first,
            note=note,
        )
