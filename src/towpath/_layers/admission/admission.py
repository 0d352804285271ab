"""The `admission` role: it limits what a server takes on, so that calls that were taken on end in time.

Three limits stand behind it, per method. An adaptive bound of calls under way (`adaptive_limit`) binds while the loop is late. The turns of
the event loop (`scheduler`) bound handlers that compute, of which only one is ever under way. A queue stands before both (`method_queue`);
CoDel and the priority of calls take away from it what could not be done in time. All methods of a server share its loop, and so its
scheduler and its lag.

While the loop is in time nothing binds: handlers that wait for a database or another service may be as many as there are calls. A bulkhead
protects a dependency that can do only so much.

Unary calls, and requests to mounted applications, are decided on as they arrive (`early_rejection`), since most of what a rejection costs
later is the task made in vain; other streams when their handler would begin. A stream is admitted like a call, but does not count as under
way: how long it lasts says nothing of how long the server takes, and a bound that learns from latencies would learn nonsense. A bulkhead
bounds how many streams there are at once.

It rejects with RESOURCE_EXHAUSTED and a pushback, before any work, and never only to measure.
"""

import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from towpath._core import clock
from towpath._core.clock import TimeSource
from towpath._core.context import Context
from towpath._core.decisions import ADMISSION, Decision, Signal, unheard
from towpath._core.early_rejection import EarlyRejection
from towpath._core.outcome import Outcome, classify
from towpath._core.server_call import ServerCallInfo
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._layers.admission.adaptive_limit import DEFAULT_LIMIT, AdaptiveLimit, LimitOptions
from towpath._layers.admission.in_flight import InFlight
from towpath._layers.admission.loop_lag import LagProbe
from towpath._layers.admission.method_early_rejection import MethodEarlyRejection
from towpath._layers.admission.method_queue import MethodQueue
from towpath._layers.admission.rejections import CONCURRENCY_LIMIT, LOOP_LAG, QUEUE_DELAY, Rejections
from towpath._layers.admission.scheduler import Scheduler
from towpath._layers.admission.wait_limits import DEFAULT_QUEUE, QueueOptions

_MEASURED: Final = frozenset({Outcome.SUCCESS, Outcome.CLIENT_FAULT, Outcome.FATAL})
"""How calls end whose duration says how long the work takes."""


def default_limit(_: MethodSpec[Any, Any]) -> LimitOptions | None:
    """The same for every method."""
    return DEFAULT_LIMIT


def _uncounted(_: MethodSpec[Any, Any]) -> Callable[[float], None]:
    return lambda _: None


class Admission:
    """The layer of one server; belongs to the loop that runs it.

    `limit_of` gives a method's limits, or None for a method that is always let in (health, say); it is asked once per composition. `queue`
    holds for each of them. `signal` is told of each decision. `rng` is for the jitter of the pushback. `on_rejected` gives, for a method,
    what is told of its calls that are rejected without a task, in seconds from their arrival: no layer sees them, and they count as calls
    all the same. `scheduler` and `probe` are those of the loop, and `time` gives their time.

    A method that is wrapped anew, since `shadow` was changed, keeps what was learned of it. A call that is cancelled or reaches its
    deadline while it waits leaves the queue at once.
    """

    role = ADMISSION

    def __init__(
        self,
        *,
        limit_of: Callable[[MethodSpec[Any, Any]], LimitOptions | None] = default_limit,
        queue: QueueOptions = DEFAULT_QUEUE,
        shadow: bool = False,
        signal: Signal = unheard,
        rng: random.Random | None = None,
        on_rejected: Callable[[MethodSpec[Any, Any]], Callable[[float], None]] = _uncounted,
        scheduler: Scheduler | None = None,
        probe: LagProbe | None = None,
        time: TimeSource = clock,
    ) -> None:
        self._limit_of = limit_of
        self._options = queue
        self.shadow = shadow
        """Whether nothing waits and nothing is rejected, and `signal` is told of what would have been. Heeded when a method is wrapped."""
        self._signal = signal
        self._rng = random.Random() if rng is None else rng  # spreads retries; nothing secret
        self._on_rejected = on_rejected
        self._time = time
        self.scheduler = Scheduler(time=time) if scheduler is None else scheduler
        """The turns of the loop, which all methods share."""
        self.probe = LagProbe(time=time) if probe is None else probe
        """Measures the loop."""
        self.probe.watch(self._is_busy, self._loop_measured)
        self._queues: dict[str, MethodQueue] = {}

    @property
    def in_flight(self) -> int:
        """Calls under way, of all methods that have a limit; streams are none."""
        return sum(queue.in_flight.count for queue in self._queues.values())

    @property
    def waiting(self) -> int:
        """Calls that wait to begin, of all methods."""
        return sum(len(queue.queue.entries) for queue in self._queues.values())

    @property
    def queues(self) -> Mapping[str, MethodQueue]:
        """The queue of each method that has a limit, by its full name."""
        return self._queues

    def queue_of(self, method: MethodSpec[Any, Any]) -> MethodQueue:
        """The queue of `method`. Raises KeyError for a method without a limit, or that was not wrapped yet."""
        return self._queues[method.full_name]

    def _is_busy(self) -> bool:
        return any(queue.in_flight.count for queue in self._queues.values())

    def _loop_measured(self) -> None:
        for queue in self._queues.values():
            queue.loop_measured()

    def early_rejection(self, method: MethodSpec[Any, Any], /) -> EarlyRejection | None:
        """Rejects calls of `method` before they cost a task; None in shadow and for a method without a limit."""
        queue = self._queues.get(method.full_name)
        return None if queue is None or self.shadow else MethodEarlyRejection(queue, self.scheduler, self.probe, self._time)

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a limit."""
        options = self._limit_of(method)
        if options is None:
            return following
        queue = self._queues.get(method.full_name)
        if queue is None:
            queue = self._queues[method.full_name] = self._queue_of(method, options)
        if self.shadow:
            return self._shadowed(method, queue, following)
        return self._unary(queue, following) if method.kind is MethodKind.UNARY else self._stream(queue, following)

    def _queue_of(self, method: MethodSpec[Any, Any], options: LimitOptions) -> MethodQueue:
        rejections = Rejections(method, self._signal, self._rng)
        in_flight = InFlight(AdaptiveLimit(options))
        queue = MethodQueue(in_flight, self.scheduler, self.probe, rejections, self._options, self._time)
        queue.on_rejected = self._on_rejected(method)
        return queue

    def _unary(self, queue: MethodQueue, following: Handler) -> Handler:
        probe, time, scheduler = self.probe, self._time, self.scheduler
        in_flight, entries = queue.in_flight, queue.queue.entries
        limit = in_flight.limit

        # Every call runs this. With a function for each of its steps, it took a seventh of the default stack's throughput (measured).
        async def handle(request: Any, ctx: Context) -> Any:
            call = ctx.server
            if call is None:  # it was not received
                call = ctx.server = ServerCallInfo(time.now())
            if call.chosen_from:
                in_flight.count += 1
                wait = time.now() - call.chosen_from
            elif in_flight.count < in_flight.max_count and (
                # INLINED: MethodQueue.try_start, MethodQueue.leave
                (scheduler.quota > 0 and (call.admitted or not entries))
                or (call.admitted and queue.calm and not probe.late and scheduler.has_time())
            ):
                scheduler.quota -= 1
                in_flight.count += 1
                if limit.skip:
                    limit.skip -= 1
                    if probe.idle:
                        probe.start()
                    try:
                        return await following(request, ctx)
                    finally:
                        in_flight.count -= 1
                        if entries:
                            scheduler.wake()
                wait = time.now() - call.arrived
            else:
                wait = await queue.enter(ctx, call)
            if probe.idle:
                probe.start()
            return await self._measured(queue, following, request, ctx, wait)

        return handle

    def _stream(self, queue: MethodQueue, following: Handler) -> Handler:
        probe, time, scheduler = self.probe, self._time, self.scheduler

        async def enter(request: Any, ctx: Context) -> Any:
            if ctx.server is None:  # it was not received
                ctx.server = ServerCallInfo(time.now())
            await queue.enter(ctx, ctx.server)
            queue.leave()
            return await following(request, ctx)

        # Requests to mounted applications were decided on as they arrived. A plain function spares them a coroutine.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            call = ctx.server
            if call is not None and (call.chosen_from or (call.admitted and queue.calm and not probe.late and scheduler.has_time())):
                return following(request, ctx)
            return enter(request, ctx)

        return handle

    def _shadowed(self, method: MethodSpec[Any, Any], queue: MethodQueue, following: Handler) -> Handler:
        name, signal, probe, max_lag, time = method.full_name, self._signal, self.probe, self._options.max_lag, self._time
        unary, in_flight, waits = method.kind is MethodKind.UNARY, queue.in_flight, queue.waits

        async def handle(request: Any, ctx: Context) -> Any:
            begun = time.now()
            arrived = begun if ctx.server is None else ctx.server.arrived
            wait = begun - arrived
            waits.record_timeout(ctx.deadline, arrived)
            if in_flight.count >= in_flight.max_count:
                signal(Decision(name, ADMISSION, CONCURRENCY_LIMIT, True, ctx))
            elif waits.is_too_long(begun, wait):
                signal(Decision(name, ADMISSION, QUEUE_DELAY, True, ctx))
            elif probe.seconds > max_lag:
                signal(Decision(name, ADMISSION, LOOP_LAG, True, ctx))
            if not unary:
                return await following(request, ctx)
            in_flight.count += 1
            if probe.idle:
                probe.start()
            return await self._measured(queue, following, request, ctx, wait)

        return handle

    async def _measured(self, queue: MethodQueue, following: Handler, request: Any, ctx: Context, wait: float) -> Any:
        """Run a call that counts as under way and waited for `wait` seconds, and tell the limit how long it took."""
        now, probe, in_flight = self._time.now, self.probe, queue.in_flight
        begun = now()
        try:
            response = await following(request, ctx)
        except BaseException as error:
            if classify(error) in _MEASURED:
                ended = now()
                in_flight.record_end(ended, wait, ended - begun, late=probe.late)
            raise
        else:
            ended = now()
            in_flight.record_end(ended, wait, ended - begun, late=probe.late)
            return response
        finally:
            # INLINED: MethodQueue.leave
            in_flight.count -= 1
            if queue.queue.entries:
                self.scheduler.wake()
