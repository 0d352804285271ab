"""What is decided of a method's calls before they cost a task: by their headers, and as they have arrived whole.

A rejection by the headers costs half of one on arrival, and that a tenth of one by a task. Most of what is rejected in an overload is
rejected by its headers.
"""

from collections.abc import Sequence
from contextvars import copy_context

from towpath._core import clock
from towpath._core.clock import TimeSource
from towpath._core.context import Context
from towpath._core.early_rejection import ADMIT, WAIT, EarlyRejection, PendingCall, Rejection, RequestHeaders, Verdict
from towpath._core.server_call import ServerCallInfo
from towpath._layers.admission.load_shedding import LEVELS_PER_CLASS
from towpath._layers.admission.loop_lag import LagProbe
from towpath._layers.admission.method_queue import MethodQueue
from towpath._layers.admission.priority import COHORTS
from towpath._layers.admission.scheduler import Scheduler


class MethodEarlyRejection(EarlyRejection):
    """The early rejection of the method whose calls wait in `queue`."""

    __slots__ = ("_entries", "_limit", "_probe", "_queue", "_scheduler", "_time")

    def __init__(self, queue: MethodQueue, scheduler: Scheduler, probe: LagProbe, time: TimeSource = clock) -> None:
        self._queue = queue
        self._entries = queue.queue.entries
        self._limit = queue.in_flight.limit
        self._scheduler = scheduler
        self._probe = probe
        self._time = time

    def on_headers(self, headers: RequestHeaders, extra: Sequence[tuple[bytes, bytes]], /) -> Rejection | None:
        """Reject a call that is to be shed, or return None."""
        queue = self._queue
        if queue.calm or not self._entries:
            return None
        now = self._time.now()
        # INLINED: OverloadState.is_rejecting
        if now >= queue.overload.until or queue.overload.probe.running:
            return None
        criticality, attempt, cohort = headers.priority(extra)
        # INLINED: level
        importance = (criticality - 1) * LEVELS_PER_CLASS + cohort + (0 if attempt else COHORTS)
        return queue.shed(importance, now)

    def on_arrival(self, ctx: Context, call: PendingCall, /) -> Verdict | Rejection:
        """Admit a call, have it wait, or reject it."""
        queue, scheduler, server_call = self._queue, self._scheduler, ctx.server
        if server_call is None:  # it was not received
            server_call = ctx.server = ServerCallInfo(self._time.now())
        # More than the limit if so many fit in a turn: they will have ended before others of them begin.
        if queue.calm and not scheduler.queues and (scheduler.admitted < self._limit.limit or scheduler.admitted < scheduler.batch):
            # While the loop is in time nobody measures its turns, which costs another look at the sockets for each (a third of what a
            # server with cheap handlers can do, measured).
            if self._probe.late and not scheduler.measuring:
                scheduler.start_turn(server_call.arrived)
            scheduler.admitted += 1
            server_call.admitted = True
            return ADMIT
        if scheduler.context is None:
            scheduler.context = copy_context()
        reason = queue.put(ctx, server_call, call, server_call.arrived)
        if reason is None:
            return WAIT
        queue.on_rejected(0.0)
        return queue.reject(reason, server_call.arrived, ctx)
