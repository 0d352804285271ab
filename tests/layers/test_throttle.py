"""A client whose calls are rejected sends twice what is accepted, and no more."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from echo.v1.echo_towpath import FAIL, SAY
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.context import Context, Criticality
from towpath._core.decisions import ADMISSION, rejection
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.outcome import Outcome
from towpath._layers.admission.admission import Admission
from towpath._layers.throttle import RUN, SETBACK, TOO_FEW_ACCEPTED, AdaptiveThrottle, Throttle, ThrottleOptions
from towpath._layers.window import SECONDS


@pytest.fixture
def hand():
    hand = Hand()
    with clock.using(hand):
        yield hand


def throttle(seed: int = 1, **options: float) -> AdaptiveThrottle:
    return AdaptiveThrottle(ThrottleOptions(**options), random.Random(seed))


@settings(max_examples=20)
@given(st.integers(0, 2000), st.floats(0, 1), st.integers(0, 2**32), st.sampled_from([1.0, 1.5, 2.0, 3.0]))
def test_calls_are_dropped_as_often_as_the_formula_says(total, rejected, seed, headroom):
    with clock.using(Hand()):
        tested = throttle(seed, headroom=headroom)
        accepted = round(total * (1 - rejected))
        for number in range(total):
            tested.record(Outcome.SUCCESS if number < accepted else Outcome.OVERLOAD)
        formula = 0.0 if total < 20 else min(0.8, max(0.0, (total - headroom * accepted) / (total + 1)))
        assert tested.probability() == pytest.approx(formula)
        asked = 20_000
        assert sum(tested.drops() for _ in range(asked)) / asked == pytest.approx(formula, abs=0.02)


def test_a_throttle_that_forgets_drops_nothing(hand):
    tested = throttle()
    for outcome in (Outcome.SUCCESS, *[Outcome.OVERLOAD] * 100):
        tested.record(outcome)
    assert tested.probability() > 0
    tested.forget()
    assert tested.probability() == 0
    assert (tested.window.total, tested.window.marked) == (0, 0)


@pytest.mark.parametrize("rejected", [share / 20 for share in range(21)])
def test_the_share_settles_within_two_points_of_twice_what_is_accepted(hand, rejected):
    # The target takes a share of what the client wants in each tenth of a second, and rejects the rest of what comes.
    tested = throttle()
    dropped = wanted = 0
    capacity = 1 - rejected
    for tick in range(300):
        hand.now += 0.1
        room = round(60 * capacity)
        for _ in range(60):
            wanted += tick >= 150
            if tested.drops():
                tested.dropped()
                dropped += tick >= 150
            elif room:
                room -= 1
                tested.record(Outcome.SUCCESS)
            else:
                tested.record(Outcome.OVERLOAD)
    assert dropped / wanted == pytest.approx(min(0.8, max(0.0, 1 - 2 * capacity)), abs=0.02)


@pytest.mark.parametrize("outcome", Outcome)
def test_only_overload_counts_as_not_accepted_and_what_has_no_answer_counts_for_nothing(hand, outcome):
    tested = throttle()
    for _ in range(100):
        tested.record(outcome)
    assert (tested.probability() > 0) is (outcome is Outcome.OVERLOAD)
    assert tested.window.total == (0 if outcome in (Outcome.CANCELLED, Outcome.TRANSIENT) else 100)


def test_one_call_in_each_second_passes_whatever_the_figures_say(hand):
    tested = throttle(max_share=0.999)
    for _ in range(1000):
        tested.record(Outcome.OVERLOAD)
    hand.now += 1.5
    assert not tested.drops()
    assert sum(tested.drops() for _ in range(500)) > 490
    hand.now += 1
    assert not tested.drops()


def test_it_lets_go_when_the_rejections_are_old(hand):
    tested = throttle()
    for _ in range(100):
        tested.record(Outcome.OVERLOAD)
    hand.now += SECONDS
    assert tested.probability() == 0
    assert not tested.drops()


def shed(role: str = "admission", method: Any = SAY) -> RpcError:
    error = rejection(Code.RESOURCE_EXHAUSTED, method, role=role, reason="QUEUE_DELAY", why="busy", pushback=0.1)
    error.unprocessed = False  # which does not cross the wire
    return error


class Target:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.asked = 0

    async def __call__(self, request, _ctx):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return request


async def calls(layer: Throttle, target: Target, count: int) -> list[RpcError]:
    handler = layer.wrap(SAY, target)
    errors = []
    for _ in range(count):
        try:
            await handler("request", Context("a/b"))
        except RpcError as error:
            errors.append(error)
    return errors


async def test_a_dropped_call_says_why_and_was_not_begun(hand):
    told: Counter[tuple[str, str, str, bool]] = Counter()
    target = Target(shed())
    layer = Throttle(source=random.Random(1), signal=lambda decision: told.update([decision[:4]]))
    errors = await calls(layer, target, 200)
    dropped = [error for error in errors if error.code is Code.UNAVAILABLE]
    assert len(dropped) == 200 - target.asked > 100
    assert told == {("echo.v1.EchoService/Say", "throttle", TOO_FEW_ACCEPTED, False): len(dropped)}
    error = dropped[-1]
    assert (error.unprocessed, error.pushback) == (True, -1)
    (info,) = error.details
    assert isinstance(info, ErrorInfo)
    assert (info.reason, info.metadata["role"], info.metadata["accepted"], info.metadata["probability"]) == (
        TOO_FEW_ACCEPTED,
        "throttle",
        "0",
        "0.80",
    )
    assert error.message.endswith(": not sent, since the target accepted too few of the last calls")


NOBODYS_OVERLOAD = [
    shed("quota"),
    shed("bulkhead"),
    shed(method=FAIL),
    RpcError(Code.RESOURCE_EXHAUSTED, "your disk is full"),
    RpcError(Code.UNAVAILABLE, "cannot connect"),
    RpcError(Code.UNAVAILABLE, "the audit log cannot be reached"),
    rejection(Code.UNAVAILABLE, SAY, role="breaker", reason="BREAKER_OPEN", why="not sent"),
]


@pytest.mark.parametrize("error", NOBODYS_OVERLOAD)
async def test_what_is_not_the_servers_own_overload_has_no_call_dropped(hand, error):
    layer, target = Throttle(source=random.Random(1)), Target(error)
    assert len(await calls(layer, target, 500)) == target.asked == 500
    assert not layer.rejecting()


def test_what_sheds_for_overload_is_the_role_of_admission():
    assert Admission.role == ADMISSION


async def test_in_shadow_it_tells_and_does_nothing(hand):
    told: Counter[bool] = Counter()
    target = Target(shed())
    layer = Throttle(source=random.Random(1), options=ThrottleOptions(shadow=True), signal=lambda decision: told.update([decision.shadow]))
    await calls(layer, target, 200)
    assert target.asked == 200
    assert told[True] > 100
    assert not told[False]


async def test_answers_and_cancellations_pass(hand):
    assert await calls(Throttle(source=random.Random(1)), Target(), 100) == []
    cancelled = Throttle(source=random.Random(1)).wrap(SAY, Target(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await cancelled("request", Context("a/b"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headroom": 0.9}, r"headroom of the throttle is 0.9; give 1 or more"),
        ({"max_share": 1.0}, r"max_share of the throttle is 1; give more than 0 and less than 1"),
        ({"min_calls": 0}, r"min_calls of the throttle is 0; give 1 or more"),
        ({"forced_after": 0.0}, r"forced_after of the throttle is 0 s; give more than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(SetupError, match=message):
        ThrottleOptions(**options)


def outage(tested: AdaptiveThrottle) -> None:
    for _ in range(200):
        tested.record(Outcome.OVERLOAD)
    assert tested.probability() == 0.8


def test_a_target_that_has_come_back_is_asked_in_full_after_a_second(hand):
    tested = throttle()
    outage(tested)
    for _ in range(19):
        hand.now += 0.06
        tested.record(Outcome.SUCCESS)
        assert tested.probability() > 0
    tested.record(Outcome.SUCCESS)
    assert tested.probability() == 0


@pytest.mark.parametrize(("pause", "rejected_at"), [(0.01, None), (0.06, 10)])
def test_a_run_of_accepted_calls_that_is_short_or_broken_proves_nothing(hand, pause, rejected_at):
    tested = throttle()
    outage(tested)
    for number in range(25):
        hand.now += pause
        tested.record(Outcome.OVERLOAD if number == rejected_at else Outcome.SUCCESS)
    assert tested.probability() > 0.5


def test_one_late_rejection_by_a_target_that_has_come_back_sets_back_and_no_more(hand):
    tested = throttle()
    outage(tested)
    for number in range(40):
        hand.now += 0.02
        tested.record(Outcome.OVERLOAD if number == 39 else Outcome.SUCCESS)
    for _ in range(SETBACK - 1):
        hand.now += 0.06
        tested.record(Outcome.SUCCESS)
        assert tested.probability() > 0
    hand.now += 0.06
    tested.record(Outcome.SUCCESS)
    assert tested.probability() == 0


def test_half_of_the_calls_rejected_at_random_is_no_recovery(hand):
    tested, source = throttle(), random.Random(1)
    outage(tested)
    for _ in range(20_000):
        hand.now += 0.01
        tested.record(Outcome.SUCCESS if source.random() < 0.5 else Outcome.OVERLOAD)
        assert tested.window.total >= 200


@given(st.lists(st.tuples(st.sampled_from([*Outcome, None]), st.floats(0, 2)), max_size=200), st.integers(0, 2**32))
def test_whatever_has_come_its_probability_is_one_and_a_target_that_accepts_is_asked_in_full(steps, seed):
    with clock.using(hand := Hand()):
        tested = throttle(seed)
        for outcome, pause in steps:
            hand.now += pause
            if outcome is not None:
                tested.record(outcome)
            elif tested.drops():
                tested.dropped()
            assert 0 <= tested.probability() <= 0.8
            assert 0 <= tested.window.marked <= tested.window.total
        # However bad it was: a run from nothing at all takes RUN calls, and a second.
        for _ in range(RUN):
            hand.now += 0.06
            tested.record(Outcome.SUCCESS)
        assert tested.probability() == 0
        assert not tested.drops()


async def test_the_layer_hears_of_a_run_too(hand):
    layer = Throttle(source=random.Random(1))
    await calls(layer, Target(shed()), 1000)
    dropped = []
    for _ in range(300):
        hand.now += 0.06
        dropped.append(len(await calls(layer, Target(), 1)))
    assert 0 < sum(dropped) < 150
    assert not sum(dropped[150:])
    assert not layer.rejecting()


async def test_what_matters_less_does_not_have_what_matters_more_dropped(hand):
    layer = Throttle(source=random.Random(1))

    async def sheds(_request, ctx):
        if ctx.criticality is Criticality.SHEDDABLE:
            raise shed()
        return 1

    handle = layer.wrap(SAY, sheds)
    assert not layer.rejecting()
    errors = []
    for _ in range(500):
        with pytest.raises(RpcError) as caught:
            await handle(None, Context("a/b", criticality=Criticality.SHEDDABLE))
        errors.append(caught.value)
        assert await handle(None, Context("a/b")) == 1
    (info,) = [error for error in errors if error.code is Code.UNAVAILABLE][-1].details
    assert info.metadata["probability"] == "0.80"
    assert layer.rejecting()


async def test_the_probability_is_told_for_each_criticality(hand):
    layer, target = Throttle(source=random.Random(1)), Target(shed())
    assert set(layer.probabilities().values()) == {0.0}
    await calls(layer, target, 100)
    told = layer.probabilities()
    assert set(told) == set(Criticality)
    assert told[Criticality.CRITICAL] > 0
    assert told[Criticality.SHEDDABLE] == 0
