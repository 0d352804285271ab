"""The limit finds how many calls make the most of a server, and finds it again."""

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._layers.admission.adaptive_limit import AdaptiveLimit, LimitOptions, correlation


class Pool:
    """A server of `workers` that each take an exponential time around `mean`, behind a limit; virtual time."""

    def __init__(self, limit, *, workers, mean, seed=1):
        self.limit, self.workers, self.mean = limit, workers, mean
        self.rng = random.Random(seed)
        self.now = 0.0
        self.queue, self.busy = [], []
        self.refused = 0
        self.done = []

    @property
    def in_flight(self):
        return len(self.queue) + len(self.busy)

    def run(self, rate, seconds):
        """Open-loop arrivals at `rate` for `seconds`; returns calls done per second and the mean limit of the second half."""
        begin, limits, self.done = self.now, [], []
        end, arrival = self.now + seconds, self.now
        while arrival < end:
            arrival += self.rng.expovariate(rate)
            while self.busy and self.busy[0][0] <= arrival:
                self._finish()
            self.now = arrival
            if self.in_flight < self.limit.limit:
                self.queue.append(arrival)
                self._begin()
            else:
                self.refused += 1
            if self.now > begin + seconds / 2:
                limits.append(self.limit.limit)
        return len(self.done) / seconds, sum(limits) / len(limits)

    def _begin(self):
        while self.queue and len(self.busy) < self.workers:
            heapq.heappush(self.busy, (self.now + self.rng.uniform(0.8, 1.2) * self.mean, self.queue.pop(0)))

    def _finish(self):
        in_flight = self.in_flight
        self.now, arrived = heapq.heappop(self.busy)
        self.done.append(self.now - arrived)
        self.limit.done(self.now, 0.0, self.now - arrived, in_flight, late=True)
        self._begin()


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 10), st.floats(0, 10), st.integers(1, 2000)), max_size=300),
    st.integers(1, 5),
    st.integers(20, 50),
)
def test_the_limit_keeps_within_its_bounds_whatever_comes(steps, least, most):
    limit = AdaptiveLimit(LimitOptions(min_limit=least, max_limit=most, samples=1))
    now = 0.0
    for pause, wait, work, in_flight in steps:
        now += pause
        limit.done(now, wait, work, in_flight, late=True)
        assert least <= limit.limit <= most
        assert limit.baseline >= 0
        assert 0 <= limit.skip < 100


@pytest.mark.parametrize(("workers", "mean"), [(1, 0.001), (8, 0.01), (50, 0.02), (200, 0.05)])
def test_under_twice_the_load_the_limit_comes_near_the_capacity_and_little_is_lost(workers, mean):
    limit = AdaptiveLimit()
    pool = Pool(limit, workers=workers, mean=mean)
    capacity = workers / mean
    pool.run(2 * capacity, 10)
    throughput, settled = pool.run(2 * capacity, 5)
    assert throughput > 0.85 * capacity
    assert 0.9 * workers <= settled <= 1.6 * workers + 30


def test_a_server_within_its_capacity_refuses_next_to_nobody():
    pool = Pool(AdaptiveLimit(), workers=10, mean=0.01)
    throughput, _ = pool.run(700, 10)
    assert throughput > 690
    assert pool.refused < 20


def test_a_loss_of_capacity_is_answered_within_a_second():
    pool = Pool(AdaptiveLimit(), workers=14, mean=0.01)
    pool.run(0.8 * 1400, 5)
    pool.workers = 8  # 0.8 times the capacity has become 1.4 times
    pool.run(0.8 * 1400, 1)
    throughput, _ = pool.run(0.8 * 1400, 2)
    assert throughput > 0.9 * 800
    assert sorted(pool.done)[len(pool.done) // 2] < 0.03


def test_a_handler_that_has_become_slower_gets_its_concurrency_back():
    pool = Pool(AdaptiveLimit(), workers=100, mean=0.005)
    pool.run(2000, 5)
    pool.mean = 0.02  # forty calls under way now make the same throughput
    pool.run(2000, 30)
    throughput, _ = pool.run(2000, 5)
    assert throughput > 0.9 * 2000


def test_calls_that_wait_for_one_busy_loop_shrink_the_limit_although_their_work_takes_no_longer():
    limit = AdaptiveLimit()
    for n in range(2000):
        limit.done(n * 0.001, 0.001 * (limit.limit - 1), 0.001, limit.limit, late=True)
    assert limit.limit < 8


def test_bursts_whose_calls_were_all_measured_are_not_counted_again_and_again():
    limit, now = AdaptiveLimit(), 0.0
    for _ in range(200):
        now += 0.06
        for _ in range(1000):  # all of them began before any of them ended
            limit.done(now, 0.0, 1e-5, 1000)
    assert limit.skip < 100


def test_what_began_unmeasured_is_counted():
    def measured(windows):
        limit, now, told = AdaptiveLimit(), 0.0, 0
        for _ in range(windows * 2000):  # 40,000 calls a second
            now += 0.05 / 2000
            if limit.skip:
                limit.skip -= 1
            else:
                told += 1
                limit.done(now, 0.0, 1e-5, 1)
        return told / windows

    assert 80 <= measured(50) <= 160


@pytest.mark.parametrize("slow", [0, 5, 9, 10, 15, 19, 400])
def test_while_the_loop_is_in_time_the_limit_is_never_below_what_is_under_way(slow):
    limit, rng = AdaptiveLimit(), random.Random(1)
    for turn in range(400):
        limit.done(turn * 0.05, rng.uniform(1e-4, 4e-4), rng.uniform(2e-5, 6e-5), slow + 1)
        assert limit.limit > slow or turn < 10


def test_what_was_under_way_in_time_stays_allowed_and_a_place_that_stays_taken_is_made_up_for():
    limit = AdaptiveLimit(LimitOptions(initial=20, max_limit=30))
    limit.raise_to(10)
    assert limit.limit == 20
    limit.raise_to(500)
    assert limit.limit == 500
    limit.grow()
    assert limit.limit == 550
    single = AdaptiveLimit(LimitOptions(initial=1))
    single.grow()
    assert single.limit == 2


def test_few_calls_under_way_leave_the_limit_alone():
    limit = AdaptiveLimit()
    for n in range(1000):
        limit.done(n * 0.01, 0.0, 0.5 if n % 2 else 0.001, 2)
    assert limit.limit == 20


def test_a_window_without_enough_calls_waits_for_more_but_not_for_ever():
    limit = AdaptiveLimit()
    limit.done(0.0, 0.0, 0.01, 20)
    limit.done(0.5, 0.0, 0.01, 20)
    assert limit.baseline == 0
    limit.done(1.0, 0.0, 0.01, 20)
    assert limit.baseline == 0.01


@pytest.mark.parametrize(
    "options", [{"min_limit": 0}, {"initial": 5, "min_limit": 6}, {"max_limit": 10}, {"window": 2.0}, {"samples": 0}, {"drift": 0.0}]
)
def test_what_admits_nobody_is_refused(options):
    with pytest.raises(ValueError, match=r"1 or more|more than 0"):
        LimitOptions(**options)


@pytest.mark.parametrize(("right", "expected"), [([1.0, 2.0, 3.0], 1.0), ([3.0, 2.0, 1.0], -1.0), ([1.0, 1.0, 1.0], 0.0)])
def test_correlation_is_pearson_s(right, expected):
    assert correlation([10.0, 20.0, 30.0], right) == pytest.approx(expected)
