"""An overloaded server rejects most calls by their headers, before they have arrived whole."""

import asyncio
import random
from collections import Counter
from functools import partial

from echo.v1.echo_towpath import SAY

from tests.layers.admission.held import Headers, Held, put
from towpath._core import clock
from towpath._core.context import Context, Criticality
from towpath._core.decisions import Decision, reason_of
from towpath._core.early_rejection import ADMIT
from towpath._layers.admission.admission import Admission
from towpath._layers.admission.priority import level
from towpath._layers.admission.rejections import PRIORITY, QUEUE_DELAY


async def nobody(request, ctx):
    raise AssertionError("no handler is called")


async def test_a_call_in_excess_is_rejected_by_its_headers():
    told = []
    layer = Admission(signal=told.append)
    layer.wrap(SAY, nobody)
    queue, on_headers = layer.queue_of(SAY), layer.early_rejection(SAY).on_headers
    low, high = (Context("a/b", criticality=level) for level in (Criticality.SHEDDABLE, Criticality.CRITICAL_PLUS))
    now = clock.now()
    assert on_headers(Headers(low), ()) is None  # all is well
    queue.reject(QUEUE_DELAY, now)
    assert on_headers(Headers(low), ()) is None  # nobody waits
    for n in range(45):  # for less than a second, after which it is tried to refuse nobody
        put(queue, high if n % 2 else low, Held(), now + 0.02 * n)
        queue.choose(now + 0.02 * n, 0)
    queue.reject(QUEUE_DELAY, now + 0.9)
    put(queue, high, Held(), now + 0.9)
    with clock.using(lambda: now + 0.9):
        refusals = [on_headers(Headers(low), ()) for _ in range(100)]
    assert all(reason_of(refusal.error) == PRIORITY for refusal in refusals)
    with clock.using(lambda: now + 4.0):
        assert on_headers(Headers(low), ()) is None  # it is over
    assert told[-1] == Decision(SAY.full_name, "admission", PRIORITY, shadow=False, ctx=None, rejected=True)


class Tally:
    """A signal that only counts: by reason."""

    def __init__(self):
        self.counts = Counter()

    def __call__(self, decision):
        raise AssertionError("it is told of no call")

    def counter_of(self, decision):
        def add():
            self.counts[decision.method, decision.role, decision.reason, decision.rejected] += 1

        return add


def test_a_signal_that_only_counts_is_told_of_no_call():
    tally = Tally()
    layer = Admission(signal=tally)
    layer.wrap(SAY, nobody)
    queue, now = layer.queue_of(SAY), clock.now()
    for ctx in (None, Context("a/b"), Context("a/b")):
        queue.reject(QUEUE_DELAY, now, ctx)
    assert tally.counts == {(SAY.full_name, "admission", QUEUE_DELAY, True): 3}


async def test_a_small_excess_has_no_call_rejected_by_its_headers_while_few_wait():
    layer = Admission()
    layer.wrap(SAY, nobody)
    queue, on_headers = layer.queue_of(SAY), layer.early_rejection(SAY).on_headers
    first, again = (Context("a/b", attempt=attempt) for attempt in (0, 1))

    def one_waits():
        put(queue, first, Held(partial(asyncio.sleep, 0)), now)

    now = clock.now()
    for turn in range(45):  # of nine calls that come eight begin
        now += 0.02
        queue.reject(QUEUE_DELAY, now)
        one_waits()
        with clock.using(lambda at=now: at):
            for n in range(8):
                if on_headers(Headers(again if n + turn == 25 else first), ()) is None:
                    one_waits()
        queue.choose(now, 8)
    queue.choose(now, 9)
    one_waits()
    rejections = []
    with clock.using(lambda: now):
        for _ in range(8):
            rejections.append(on_headers(Headers(again), ()))
            one_waits()
    assert rejections[0] is None
    assert reason_of(rejections[-1].error) == PRIORITY


async def test_the_copies_made_for_speed_decide_as_their_originals_do():
    """What `on_headers` and `MethodQueue.shed` do with a call is what OverloadState.is_rejecting, level, LoadShedding.admits and
    OverloadState.extend do one after the other."""
    rng, now = random.Random(5), clock.now()
    copies, originals = Admission(rng=random.Random(1)), Admission(rng=random.Random(1))
    for layer in (copies, originals):
        layer.wrap(SAY, nobody)
    queues = [layer.queue_of(SAY) for layer in (copies, originals)]
    on_headers = copies.early_rejection(SAY).on_headers
    rejected = 0
    for _ in range(3000):
        now += rng.choice((0.0, 0.001, 0.003)) + (1.5 if rng.random() < 0.001 else 0.0)
        event, waiting = rng.random(), Context("a/b")
        waiting.given_cohort = rng.randrange(128)
        for queue in queues:
            if event < 0.03:
                queue.reject(QUEUE_DELAY, now)
            elif event < 0.15:
                put(queue, waiting, Held(partial(asyncio.sleep, 0)), now)
            elif event < 0.25:
                queue.choose(now, int(event < 0.16))
            elif event < 0.251:
                queue.overload.probe.running = not queue.overload.probe.running
        criticality, attempt, cohort = rng.choice(list(Criticality)), rng.choice((0, 0, 1, 2)), rng.randrange(128)
        ctx = Context("a/b", criticality=criticality, attempt=attempt)
        ctx.given_cohort = cohort
        with clock.using(lambda at=now: at):
            got = on_headers(Headers(ctx), ())
        queue = queues[1]
        expected = None
        if not queue.calm and queue.queue.entries and queue.overload.is_rejecting(now):
            importance = level(criticality, attempt, cohort)
            if not queue.shedding.admits(importance, len(queue.queue.entries)):
                queue.shedding.record_arrival(importance)
                queue.overload.extend(now)
                expected = queue.reject(PRIORITY, now)
        assert (got is None) == (expected is None)
        if got is not None:
            rejected += 1
            assert got.error.message == expected.error.message
            assert got.error.details == expected.error.details
        assert queues[0].overload.until == queue.overload.until
        assert queues[0].shedding.threshold == queue.shedding.threshold
        assert queues[0].shedding.shed_class == queue.shedding.shed_class
    assert 100 < rejected < 2900


def test_a_call_that_no_server_received_counts_as_just_arrived():
    layer = Admission()
    layer.wrap(SAY, nobody)
    ctx, now = Context("a/b"), clock.now()
    with clock.using(lambda: now):
        assert layer.early_rejection(SAY).on_arrival(ctx, Held()) is ADMIT
    assert (ctx.server.arrived, ctx.server.admitted) == (now, True)
