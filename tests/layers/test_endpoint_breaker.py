"""An endpoint is left alone with what it fails at, and with no more than that."""

import asyncio
import random

import pytest
from echo.v1.echo_towpath import FAIL, SAY
from hypothesis import given
from hypothesis import strategies as st

from tests.layers.virtual_time import Hand
from towpath._core import clock
from towpath._core.decisions import rejection
from towpath._core.errors import Code, RpcError
from towpath._layers.breaker import BreakerOptions, BreakerState
from towpath._layers.endpoint_breaker import EndpointBreaker, Paces

ONE, OTHER = SAY.full_name, FAIL.full_name


@pytest.fixture
def hand():
    hand = Hand()
    with clock.using(hand):
        yield hand


def breaker(paces: Paces | None = None) -> EndpointBreaker:
    return EndpointBreaker({} if paces is None else paces, source=random.Random(1))


def lost() -> RpcError:
    error = RpcError(Code.UNAVAILABLE, "the connection was lost")
    error.lost = True
    return error


def given_back() -> RpcError:
    error = RpcError(Code.UNAVAILABLE, "refused")
    error.unprocessed = True
    return error


def refused(role: str) -> RpcError:
    error = rejection(Code.RESOURCE_EXHAUSTED, SAY, role=role, reason="R", why="enough", pushback=0.1)
    error.unprocessed = False  # which does not cross the wire
    return error


def feed(tested: EndpointBreaker, error: BaseException | None, count: int = 1, *, method: str = ONE, seconds: float = 0.01) -> None:
    for _ in range(count):
        tested.record(tested.begin(method), seconds, error)


def test_the_options_hold_for_methods_and_for_connections(hand):
    tested = EndpointBreaker({}, BreakerOptions(failures=2, ratio=0.01, min_calls=1, jitter=0), source=random.Random(1))
    feed(tested, lost())
    assert tested.allows(ONE)  # the share counts for methods alone
    feed(tested, lost())
    assert not tested.allows(OTHER)
    other = EndpointBreaker({}, BreakerOptions(failures=2, jitter=0), source=random.Random(1))
    feed(other, RpcError(Code.INTERNAL, "a bug"), 2)
    assert [other.allows(method) for method in (ONE, OTHER)] == [False, True]


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS, Code.UNAVAILABLE])
def test_a_method_that_fails_is_left_alone_and_the_others_are_not(hand, code):
    tested = breaker()
    feed(tested, None, method=OTHER)
    feed(tested, RpcError(code, "a bug"), 4)
    assert tested.allows(ONE)
    feed(tested, RpcError(code, "a bug"))
    assert (tested.allows(ONE), tested.allows(OTHER)) == (False, True)
    hand.now += 1.2
    assert tested.allows(ONE)
    feed(tested, None)
    assert tested.allows(ONE)


@pytest.mark.parametrize(
    "error",
    [
        refused("quota"),
        refused("bulkhead"),
        RpcError(Code.RESOURCE_EXHAUSTED, "your disk is full"),
        RpcError(Code.NOT_FOUND, "nothing"),
        RpcError(Code.CANCELLED, "enough"),
        RpcError(Code.DEADLINE_EXCEEDED, "too late"),
        asyncio.CancelledError(),
        None,
    ],
)
def test_what_the_endpoint_is_not_to_blame_for_has_it_not_left_alone(hand, error):
    tested = breaker()
    feed(tested, error, 200)
    assert tested.allows(ONE)


def test_calls_that_it_sheds_count_by_their_share(hand):
    tested = breaker()
    feed(tested, refused("admission"), 19)
    assert tested.allows(ONE)
    feed(tested, refused("admission"))
    assert not tested.allows(ONE)


def test_time_that_was_enough_for_the_others_blames_it(hand):
    paces: Paces = {}
    silent, well = breaker(paces), breaker(paces)
    late = RpcError(Code.DEADLINE_EXCEEDED, "too late")
    feed(well, None, seconds=0.3)
    feed(silent, late, 100, seconds=0.5)
    assert silent.allows(ONE)
    feed(silent, late, 5, seconds=0.6)
    assert not silent.allows(ONE)


@pytest.mark.parametrize(("pause", "blamed"), [(0.0, False), (10.0, False), (25.0, True)])
def test_how_long_answers_take_is_forgotten_after_a_while(hand, pause, blamed):
    paces: Paces = {}
    silent, well = breaker(paces), breaker(paces)
    feed(well, None, seconds=5.0)
    hand.now += pause
    feed(well, None, seconds=0.1)
    feed(silent, RpcError(Code.DEADLINE_EXCEEDED, "too late"), 5, seconds=1.0)
    assert silent.allows(ONE) is not blamed
    hand.now += 30.0
    feed(silent, None)
    hand.now += 30.0
    feed(silent, RpcError(Code.DEADLINE_EXCEEDED, "too late"), 5, seconds=1.0)
    assert silent.allows(ONE)  # nobody knows any more


@pytest.mark.parametrize("error", [lost(), given_back()])
def test_connections_that_end_concern_every_method(hand, error):
    tested = breaker()
    feed(tested, error, 5)
    assert (tested.allows(ONE), tested.allows(OTHER)) == (False, False)
    hand.now += 1.2
    assert tested.allows(OTHER)
    probe = tested.begin(OTHER)
    assert not tested.allows(ONE)
    tested.record(probe, 0.01, RpcError(Code.INTERNAL, "a bug"))  # an answer, if no good one
    assert tested.allows(ONE)
    feed(tested, error, 4)
    assert tested.allows(ONE)


def test_a_connection_that_ends_counts_once_for_all_its_calls(hand):
    tested = breaker()
    for _ in range(4):
        together = [tested.begin(ONE) for _ in range(100)]
        for begun in together:
            tested.record(begun, 0.01, lost())
    assert tested.allows(ONE)
    feed(tested, lost())
    assert not tested.allows(ONE)


def test_an_answer_between_two_that_end_makes_it_begin_anew(hand):
    tested = breaker()
    for _ in range(50):
        feed(tested, lost(), 4)
        feed(tested, None)
    assert tested.allows(ONE)


def test_a_probe_of_the_connections_that_nobody_waits_for_makes_way(hand):
    tested = breaker()
    feed(tested, lost(), 5)
    hand.now += 1.2
    feed(tested, asyncio.CancelledError())
    assert tested.allows(ONE)


ERRORS = [None, lost(), given_back(), refused("admission"), refused("quota"), asyncio.CancelledError(), *(RpcError(code) for code in Code)]


@given(
    st.lists(
        st.tuples(st.sampled_from([ONE, OTHER]), st.sampled_from(ERRORS), st.floats(0, 5), st.floats(0, 3), st.integers(0, 3)), max_size=120
    )
)
def test_whatever_happened_an_endpoint_that_answers_is_taken_again(steps):
    with clock.using(hand := Hand()):
        tested = breaker()
        under_way = []
        for method, error, seconds, pause, waiting in steps:
            hand.now += pause
            under_way.append(tested.begin(method))
            while len(under_way) > waiting:
                tested.record(under_way.pop(0), seconds, error)
        hand.now += 40
        for method in (ONE, OTHER):
            assert tested.allows(method)
            feed(tested, None, method=method)
        assert tested.allows(ONE)
        assert tested.allows(OTHER)


def test_the_state_of_each_breaker_is_told_that_for_connections_first(hand):
    tested = breaker()
    assert list(tested.states()) == [BreakerState.CLOSED]
    feed(tested, RpcError(Code.INTERNAL, "a bug"), 100)
    feed(tested, None, method=OTHER)
    assert list(tested.states()) == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.CLOSED]
