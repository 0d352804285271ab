"""The `admission` role: what a server takes on, so that what it has taken on still gets done in time.

Three limits stand behind it, per method: an adaptive bound of calls under way (`limit`) while the loop is late; the turns of the event
loop (`turns`), for handlers that compute, of which only one is ever under way; and a queue before both (`lane`), of which CoDel and the
priority of calls take away what could not be done in time. All methods of a server share its loop, and so its turns and its lag.

While the loop is in time nothing binds: handlers that wait for somebody else, a database or another service, may be as many as there are
calls. What protects a dependency that can do only so much is a bulkhead.

Unary calls are asked at the gate as they arrive, since most of what a refusal costs later is the task made in vain; streams when their
handler would begin. A stream is admitted like a call, but holds no place: how long it lasts says nothing of how long the
server takes, and a bound that learns from latencies would learn nonsense. A fixed number of streams at once is a bulkhead's business.

It refuses with RESOURCE_EXHAUSTED and a pushback, before any work, and never only to measure.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from towpath.core import clock
from towpath.core.context import Context
from towpath.core.outcome import Outcome, classify
from towpath.core.service import Door, Gate, Handler, MethodKind, MethodSpec
from towpath.core.signals import Decision, Signal, unheard
from towpath.layers.admission.adaptive_limit import DEFAULT_LIMIT, AdaptiveLimit, LimitOptions
from towpath.layers.admission.loop_lag import LagProbe
from towpath.layers.admission.method_queue import CONCURRENCY_LIMIT, LOOP_LAG, QUEUE_DELAY, ROLE, Lane
from towpath.layers.admission.scheduler import Turns
from towpath.layers.admission.wait_limits import QueueOptions

_TELLING: Final = frozenset({Outcome.SUCCESS, Outcome.CLIENT_FAULT, Outcome.FATAL})
"""How calls end whose duration says how long the work takes."""

DEFAULT_QUEUE: Final = QueueOptions()


def default_limit(_: MethodSpec[Any, Any]) -> LimitOptions | None:
    """The same for every method."""
    return DEFAULT_LIMIT


def _unseen(_: MethodSpec[Any, Any]) -> Callable[[float], None]:
    return lambda _: None


class Admission:
    """The layer of one server; belongs to the loop that runs it.

    `limit_of` gives a method's limits, or None for a method that is always let in (health, say); it is asked once per composition. `queue`
    holds for each of them. In `shadow` nothing waits and nothing is refused: `signal` is told of what would have been. A method that is
    wrapped anew, since `shadow` was changed, keeps what was learned of it. `rng` is for the jitter of the pushback. `unseen` gives what is
    told of a method's calls that are refused at the gate, in seconds from their arrival: no layer sees them, and they count as calls all
    the same. A call that is cancelled or reaches its deadline while it waits leaves the queue at once.
    """

    role = ROLE

    def __init__(
        self,
        *,
        limit_of: Callable[[MethodSpec[Any, Any]], LimitOptions | None] = default_limit,
        queue: QueueOptions = DEFAULT_QUEUE,
        shadow: bool = False,
        signal: Signal = unheard,
        rng: random.Random | None = None,
        unseen: Callable[[MethodSpec[Any, Any]], Callable[[float], None]] = _unseen,
    ) -> None:
        self._limit_of = limit_of
        self._queue = queue
        self.shadow = shadow
        """Heeded when a method is wrapped and its gate asked for."""
        self._signal = signal
        self._rng = random.Random() if rng is None else rng  # spreads retries; nothing secret
        self._unseen = unseen
        self._turns = Turns()
        self._lanes: dict[str, Lane] = {}
        self._probe = LagProbe(self._busy, looked=self._looked)

    def _busy(self) -> bool:
        return any(lane.begun for lane in self._lanes.values())

    def _looked(self) -> None:
        for lane in self._lanes.values():
            lane.looked()

    def gate(self, method: MethodSpec[Any, Any]) -> Gate | None:
        """Refuses a call of `method` before it costs a task; None in shadow and for a method without a limit."""
        lane = self._lanes.get(method.full_name)
        return None if lane is None or self.shadow else lane.gate

    def door(self, method: MethodSpec[Any, Any]) -> Door | None:
        """Refuses a call of `method` that is in excess before anything is made of it; None where there is no gate."""
        lane = self._lanes.get(method.full_name)
        return None if lane is None or self.shadow else lane.door

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a limit."""
        options = self._limit_of(method)
        if options is None:
            return following
        lane = self._lanes.get(method.full_name)
        if lane is None:
            limit = AdaptiveLimit(options)
            lane = Lane(method, limit, self._turns, self._probe, self._queue, self._signal, self._rng, self._unseen(method))
            self._lanes[method.full_name] = lane
        if self.shadow:
            return self._watching(method, lane, following)
        return self._unary(lane, lane.limit, following) if method.kind is MethodKind.UNARY else _stream(lane, following)

    def _unary(self, lane: Lane, limit: AdaptiveLimit, following: Handler) -> Handler:
        turns, probe, queue = self._turns, self._probe, lane.queue

        # Every call runs this. With a function for each of its steps, it took a seventh of the default stack's throughput (measured).
        async def handle(request: Any, ctx: Context) -> Any:
            if ctx.called:
                lane.begun += 1
                wait = clock.now() - ctx.called
            elif lane.begun < lane.bound and (
                (turns.quota > 0 and (ctx.gated or not queue)) or (ctx.gated and lane.calm and not probe.late and turns.brief())
            ):
                turns.quota -= 1
                lane.begun += 1
                if probe.idle:
                    probe.start()
                if limit.skip:
                    limit.skip -= 1
                    try:
                        return await following(request, ctx)
                    finally:
                        lane.begun -= 1
                        if queue:
                            turns.pick()
                wait = clock.now() - (ctx.arrived or clock.now())
            else:
                wait = await lane.enter(ctx)
            if probe.idle:
                probe.start()
            return await _measured(lane, following, request, ctx, wait)

        return handle

    def _watching(self, method: MethodSpec[Any, Any], lane: Lane, following: Handler) -> Handler:
        name, signal, probe, options = method.full_name, self._signal, self._probe, self._queue
        unary = method.kind is MethodKind.UNARY

        async def handle(request: Any, ctx: Context) -> Any:
            begun = clock.now()
            wait = begun - (ctx.arrived or begun)
            lane.waits.given(ctx, begun)
            if lane.begun >= lane.bound:
                signal(Decision(name, ROLE, CONCURRENCY_LIMIT, True, ctx))
            elif lane.waits.too_long(begun, wait):
                signal(Decision(name, ROLE, QUEUE_DELAY, True, ctx))
            elif probe.seconds > options.lag:
                signal(Decision(name, ROLE, LOOP_LAG, True, ctx))
            if not unary:
                return await following(request, ctx)
            lane.begun += 1
            if probe.idle:
                probe.start()
            return await _measured(lane, following, request, ctx, wait)

        return handle


async def _measured(lane: Lane, following: Handler, request: Any, ctx: Context, wait: float) -> Any:
    """Run a call that has its place and waited for `wait` seconds, tell the limit how long it took, and give the place back."""
    begun = clock.now()
    try:
        response = await following(request, ctx)
    except BaseException as error:
        if classify(error) in _TELLING:
            now = clock.now()
            lane.done(now, wait, now - begun)
        raise
    else:
        now = clock.now()
        lane.done(now, wait, now - begun)
        return response
    finally:
        lane.leave()


def _stream(lane: Lane, following: Handler) -> Handler:
    async def handle(request: Any, ctx: Context) -> Any:
        await lane.enter(ctx)
        lane.leave()
        return await following(request, ctx)

    return handle
