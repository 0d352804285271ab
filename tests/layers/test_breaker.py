"""An endpoint that fails is left alone, asked again one call at a time, and forgiven."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._core.outcome import BLAMES_SERVER, Outcome
from towpath._layers.breaker import TRANSITIONS, Breaker, BreakerEvent, BreakerOptions, BreakerState

CLOSED, OPEN, HALF_OPEN, PROBING = BreakerState


@pytest.fixture
def hand():
    hand = Hand()
    with clock.using(hand):
        yield hand


def breaker(**options) -> Breaker:
    return Breaker(BreakerOptions(**{"jitter": 0.0, **options}), source=random.Random(1))


def feed(tested: Breaker, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        tested.record(outcome, tested.begin())


def tripped(**options) -> Breaker:
    tested = breaker(**options)
    feed(tested, *[Outcome.TRANSIENT] * 5)
    assert tested.state is OPEN
    return tested


@pytest.mark.parametrize("outcome", Outcome)
def test_five_failures_in_a_row_trip_it_and_overload_is_none(hand, outcome):
    tested = breaker()
    feed(tested, *[outcome] * 4)
    assert tested.allows()
    feed(tested, outcome)
    trips = outcome in BLAMES_SERVER and outcome is not Outcome.OVERLOAD
    assert (tested.state, tested.allows()) == ((OPEN, False) if trips else (CLOSED, True))


@pytest.mark.parametrize(("between", "state"), [(Outcome.SUCCESS, CLOSED), (Outcome.CLIENT_FAULT, CLOSED), (Outcome.OVERLOAD, OPEN)])
def test_an_answer_ends_a_streak_and_a_rejection_does_not(hand, between, state):
    tested = breaker()
    feed(tested, *[Outcome.TRANSIENT] * 4, between, Outcome.TRANSIENT)
    assert tested.state is state


@pytest.mark.parametrize("outcome", sorted(BLAMES_SERVER, key=str))
def test_half_of_twenty_calls_trip_it(hand, outcome):
    tested = breaker()
    feed(tested, *[outcome, Outcome.SUCCESS] * 9, Outcome.SUCCESS)
    assert tested.state is CLOSED
    feed(tested, outcome)
    assert tested.state is OPEN


def test_less_than_half_does_not(hand):
    tested = breaker()
    feed(tested, *[Outcome.SUCCESS, Outcome.SUCCESS, Outcome.OVERLOAD] * 100)
    assert tested.state is CLOSED


def test_what_is_older_than_ten_seconds_does_not_count(hand):
    tested = breaker()
    feed(tested, *[Outcome.OVERLOAD] * 19)
    hand.now += 10
    feed(tested, Outcome.OVERLOAD)
    assert tested.state is CLOSED


def test_cancelled_calls_say_nothing(hand):
    tested = breaker(min_calls=1)
    feed(tested, *[Outcome.CANCELLED] * 100)
    feed(tested, *[Outcome.TRANSIENT])
    assert tested.state is OPEN


def test_one_probe_at_a_time_and_its_success_closes(hand):
    tested = tripped()
    hand.now += 0.999
    assert not tested.allows()
    hand.now += 0.001
    assert tested.allows()
    assert tested.allows()
    probe = tested.begin()
    assert (tested.state, tested.allows()) == (PROBING, False)
    tested.record(Outcome.SUCCESS, tested.begin())
    assert tested.state is PROBING
    tested.record(Outcome.SUCCESS, probe)
    assert tested.state is CLOSED


@pytest.mark.parametrize("outcome", sorted(BLAMES_SERVER, key=str))
def test_a_failed_probe_opens_it_for_twice_as_long_up_to_half_a_minute(hand, outcome):
    tested = tripped()
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        hand.now += seconds - 0.001
        assert not tested.allows()
        hand.now += 0.001
        assert tested.allows()
        feed(tested, outcome)
        assert tested.state is OPEN
    hand.now += 30
    feed(tested, Outcome.SUCCESS, *[Outcome.TRANSIENT] * 5)
    hand.now += 1
    assert tested.allows()


def test_a_cancelled_probe_makes_way_for_the_next(hand):
    tested = tripped()
    hand.now += 1
    feed(tested, Outcome.CANCELLED)
    assert tested.state is HALF_OPEN


def test_a_probe_that_is_never_heard_of_makes_way_too_and_counts_no_more(hand):
    tested = tripped()
    hand.now += 1
    lost = tested.begin()
    hand.now += 29.9
    assert not tested.allows()
    hand.now += 0.1
    assert tested.allows()
    tested.record(Outcome.FATAL, lost)
    assert tested.state is HALF_OPEN


def test_stragglers_of_an_outage_count_for_nothing(hand):
    tested = breaker()
    stragglers = [tested.begin() for _ in range(20)]
    feed(tested, *[Outcome.TRANSIENT] * 5)
    hand.now += 1
    probe = tested.begin()
    for begun in stragglers[:10]:
        tested.record(Outcome.TRANSIENT, begun)
    assert tested.state is PROBING
    tested.record(Outcome.SUCCESS, probe)
    for begun in stragglers[10:]:
        tested.record(Outcome.TRANSIENT, begun)
    assert tested.state is CLOSED


@given(st.integers(0, 2**32))
def test_clients_do_not_come_back_together(seed):
    hand = Hand()
    with clock.using(hand):
        tested = Breaker(source=random.Random(seed))
        feed(tested, *[Outcome.TRANSIENT] * 5)
        hand.now += 0.799
        assert not tested.allows()
        hand.now += 0.402
        assert tested.allows()


@pytest.mark.parametrize("outcome", Outcome)
def test_a_call_that_was_sent_all_the_same_can_close_it_and_not_trip_it(hand, outcome):
    tested = tripped()
    until = hand.now + 1
    hand.now += 0.5
    feed(tested, *[outcome] * 20)
    assert tested.state is (OPEN if outcome is Outcome.CANCELLED or outcome in BLAMES_SERVER else CLOSED)
    if tested.state is OPEN:
        hand.now = until
        assert tested.state is HALF_OPEN
    else:
        feed(tested, *[Outcome.TRANSIENT] * 5)
        hand.now += 1
        assert tested.state is HALF_OPEN  # as after a first trip


def test_every_state_is_reached_and_left():
    assert {before for before, _ in TRANSITIONS} == set(BreakerState) == set(TRANSITIONS.values())
    assert {event for _, event in TRANSITIONS} == set(BreakerEvent)


class Life(RuleBasedStateMachine):
    """Any history: what it may do next follows from where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.hand = Hand()
        self._using = clock.using(self.hand)
        self._using.__enter__()
        self.tested = breaker(min_calls=4, failures=3)
        self.begun: list[int] = []
        self.probes = 0

    def teardown(self) -> None:
        # From anywhere it comes to rest, and is closed by a call that succeeds.
        self.hand.now += 40
        assert self.tested.allows()
        feed(self.tested, Outcome.SUCCESS)
        assert self.tested.state is CLOSED
        self._using.__exit__(None, None, None)

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.hand.now += seconds

    @rule()
    def begin(self) -> None:
        state, allowed = self.tested.state, self.tested.allows()
        begun = self.tested.begin()
        assert (begun != -1) is (allowed or state is OPEN)
        assert self.tested.state is (PROBING if state is HALF_OPEN else state)
        self.begun.append(begun)

    @rule(outcome=st.sampled_from(list(Outcome)), last=st.booleans())
    def end(self, outcome: Outcome, last: bool) -> None:
        if not self.begun:
            return
        before = self.tested.state
        self.tested.record(outcome, self.begun.pop(-1 if last else 0))
        after = self.tested.state
        if after is not before:
            assert after in [state for (start, _), state in TRANSITIONS.items() if start is before]
            assert outcome in BLAMES_SERVER if after is OPEN else outcome not in BLAMES_SERVER

    @invariant()
    def only_closed_and_half_open_let_calls_pass(self) -> None:
        assert self.tested.allows() is (self.tested.state in (CLOSED, HALF_OPEN))


TestLife = Life.TestCase


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"failures": 0}, r"failures of the breaker is 0 and min_calls 20; give 1 or more"),
        ({"min_calls": 0}, r"min_calls 0"),
        ({"ratio": 0.0}, r"ratio of the breaker is 0; give more than 0 and at most 1"),
        ({"min_open": 31.0}, r"min_open of the breaker is 31 s and max_open 30 s"),
        ({"jitter": 1.0}, r"jitter of the breaker is 1; give 0 or more, and less than 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(SetupError, match=message):
        BreakerOptions(**options)
