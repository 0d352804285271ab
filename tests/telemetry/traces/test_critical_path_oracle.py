"""The critical path of random trees, plausible ones and impossible ones, held to a search that asks each microsecond for its cause."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from towpath._telemetry.flight_recorder.row import MARKS, NOT_REACHED
from towpath._telemetry.traces.critical_path import Phase, Segment, critical_path, received_at, server_phases, start_in
from towpath._telemetry.traces.model import Attempt, ClientCall, ReceivedCall

Cause = tuple[Phase, ReceivedCall | ClientCall | None]


def cause(node: ReceivedCall | ClientCall, instant: int) -> Cause:
    """What the microsecond after `instant` of the node's own time was spent on."""
    return in_received(node, instant) if isinstance(node, ReceivedCall) else in_call(node, instant)


def in_received(received: ReceivedCall, instant: int) -> Cause:
    """The chain of calls from the end back to the one that covers the instant."""
    at, branch, key = received.duration, received.branch, (float("inf"), 0.0, 0)
    while True:
        found = None
        for index, call in enumerate(received.calls):
            start = start_in(received, call)
            end = start + call.duration
            waited = end <= received.handler_ended + 2 or (call.branch == received.branch and end <= received.duration + 2)
            chained = branch == received.branch or call.branch in {branch, received.branch}
            mine = (end, -start, index)
            if waited and chained and end <= at + 2 and mine < key and (found is None or mine > found[0]):
                found = mine, start, min(end, at), call
        if found is None or found[2] <= instant:
            break
        key, start, _, call = found
        if instant >= max(start, 0):
            return in_call(call, instant - start)
        at, branch = max(0, min(start, found[2])), call.branch
    return next((phase, received) for start, end, phase in server_phases(received) if start <= instant < end)


def in_call(call: ClientCall, instant: int) -> Cause:
    answering = call.answering
    if answering is None:
        return (Phase.NOT_SEEN if call.made else Phase.CLIENT), call
    if instant >= answering.ended:
        return Phase.CLIENT, call
    later = answering
    while instant < later.began:
        before = [other for other in call.attempts if other.began < later.began and other is not answering]
        if not before:
            return (Phase.NOT_SEEN if later.number else Phase.CLIENT), call
        # Of those that began together the walk takes the first; the others are at no instant alone.
        earlier = max(before, key=lambda attempt: attempt.began)
        if earlier.ended > later.began + 2:
            if instant >= earlier.began:
                return Phase.HEDGE, call
        elif instant >= earlier.ended:
            return (Phase.BACK_OFF if later.number - earlier.number <= 1 else Phase.NOT_SEEN), call
        elif instant >= earlier.began:
            return in_attempt(call, earlier, instant)
        later = earlier
    return in_attempt(call, later, instant)


def in_attempt(call: ClientCall, attempt: Attempt, instant: int) -> Cause:
    start, end = attempt.window
    waited = (Phase.LOOP_DELAY, call.caller or call)
    if attempt.received is not None:
        shift, first, last = received_at(attempt, attempt.received)
        if first <= instant < last:
            return in_received(attempt.received, instant - shift)
        if min(start, first) <= instant < end:
            return Phase.WIRE, call
        start = min(start, first)
    elif attempt.marks[2] == NOT_REACHED:
        sent = attempt.marks[1] != NOT_REACHED and instant >= attempt.connected
        return (Phase.SEND if sent else Phase.CONNECTION), call
    elif start <= instant < end:
        return Phase.NOT_SEEN, call
    if instant >= end:
        return waited
    return (Phase.CONNECTION if instant < attempt.connected else Phase.SEND), call


def some_marks(random: Random, longest: int, *, wild: bool) -> tuple[int, ...]:
    found = [random.randint(0, longest) for _ in range(6)]
    if not wild or random.random() < 0.6:
        found.sort()
    missing = random.choice((0, 0, 0.2, 0.6)) if wild else 0
    return (*(NOT_REACHED if random.random() < missing else mark for mark in found), *[NOT_REACHED] * (MARKS - 6))


def some_received(random: Random, longest: int, depth: int, *, wild: bool) -> ReceivedCall:
    base = random.uniform(0, 1e6)
    received = ReceivedCall("s", 1, "m", 0, 0, base, 0.0, 1, some_marks(random, longest, wild=wild), "")
    for _ in range(random.choice((0, 1, 2, 4)) if depth else 0):
        span = (-3, longest + 3) if wild else (0, max(0, received.handler_ended))
        start = random.randint(*span)
        most = longest if wild else max(0, received.handler_ended - start)
        call = ClientCall("s", 1, "m", base + start / 1e6, 0.0, random.choice((1, 2, 3)), caller=received)
        some_attempts(random, call, most, depth, wild=wild)
        received.calls.append(call)
    received.calls.sort(key=lambda call: call.base)
    return received


def some_attempts(random: Random, call: ClientCall, most: int, depth: int, *, wild: bool) -> None:
    for number in range(random.choice((0, 1, 1, 1, 2, 4)) if wild else random.choice((1, 1, 1, 2, 3))):
        attempt = Attempt(number + random.choice((0, 0, 0, 1)), random.choice((0, 14)), 0, some_marks(random, most, wild=wild), "")
        if random.random() < 0.8:
            attempt.received = some_received(random, random.randint(0, most), depth - 1, wild=wild)
            attempt.received.attempt = attempt
        call.attempts.append(attempt)
    began = [attempt.began for attempt in call.attempts]
    if len(set(began)) < len(began):  # which of them the other preceded is nobody's to say
        call.attempts = call.attempts[:1]
    if random.random() < 0.3 or not call.attempts:
        call.made, call.call_code, call.call_marks = len(call.attempts), 0, some_marks(random, most, wild=wild)


def named(segment: Segment) -> Cause:
    return segment.phase, segment.call or segment.received


@given(st.integers(0, 1 << 32), st.booleans(), st.integers(0, 40))
@settings(max_examples=200)
def test_each_microsecond_has_the_cause_that_a_search_finds(seed: int, wild: bool, longest: int) -> None:
    random = Random(seed)
    root = some_received(random, longest, 3, wild=wild)
    path = critical_path(root)
    ends = [0, *(segment.end for segment in path)]
    assert [segment.start for segment in path] == ends[:-1]
    assert ends[-1] == root.duration
    found = (named(segment) for segment in path for _ in range(segment.duration))
    wrong = [(instant, one[0], other[0]) for instant, one in enumerate(found) if one != (other := cause(root, instant))]
    assert wrong == []
