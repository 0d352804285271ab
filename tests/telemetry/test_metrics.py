"""Rate, errors and duration, by method and code."""

import asyncio
from itertools import accumulate, pairwise

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import SAY
from hypothesis import given
from hypothesis import strategies as st

from tests.call_counts import call_samples
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._telemetry.histogram import FINE, Series
from towpath._telemetry.metrics import BUCKETS, CallMetrics


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    source = Clock()
    with clock.using(source):
        yield source


def sample(metrics: CallMetrics, name: str, code: str, **labels: str) -> float | None:
    side, _, suffix = name.removeprefix("rpc_").partition("_call_duration_seconds")
    found = call_samples(metrics.registry, side, suffix, rpc_method="echo.v1.EchoService/Say", rpc_status_code=code, **labels)
    return sum(found.values()) if found else None


async def call(metrics, handler, ctx=None):
    return await metrics.server.wrap(SAY, handler)(SayRequest(), ctx or Context("a/b"))


async def test_a_success_is_observed_with_its_duration(time):
    metrics = CallMetrics()

    async def handler(_request, _ctx):
        time.now += 0.003
        return "answer"

    assert await call(metrics, handler) == "answer"
    assert sample(metrics, "rpc_server_call_duration_seconds_count", "OK") == 1
    assert sample(metrics, "rpc_server_call_duration_seconds_sum", "OK") == pytest.approx(0.003)
    assert sample(metrics, "rpc_server_call_duration_seconds_bucket", "OK", le="0.002") == 0
    assert sample(metrics, "rpc_server_call_duration_seconds_bucket", "OK", le="0.005") == 1


@pytest.mark.parametrize(
    ("error", "deadline", "code"),
    [
        (RpcError(Code.NOT_FOUND, "no"), None, "NOT_FOUND"),
        (ValueError("a bug"), None, "INTERNAL"),
        (asyncio.CancelledError(), None, "CANCELLED"),
        (asyncio.CancelledError(), 2000.0, "CANCELLED"),
        (asyncio.CancelledError(), 999.0, "DEADLINE_EXCEEDED"),
        (GeneratorExit(), None, "CANCELLED"),
    ],
)
@pytest.mark.usefixtures("time")
async def test_a_failure_is_counted_under_its_code_and_passed_on(error, deadline, code):
    metrics = CallMetrics()

    async def handler(_request, _ctx):
        raise error

    for _ in range(2):
        with pytest.raises(type(error)):
            await call(metrics, handler, Context("a/b", deadline=deadline))
    assert sample(metrics, "rpc_server_call_duration_seconds_count", code) == 2
    assert sample(metrics, "rpc_server_call_duration_seconds_count", "OK") == 0


async def test_client_and_server_are_counted_apart():
    metrics = CallMetrics()

    async def handler(request, _ctx):
        return request

    await metrics.client.wrap(SAY, handler)(SayRequest(), Context("a/b"))
    assert sample(metrics, "rpc_client_call_duration_seconds_count", "OK") == 1
    assert sample(metrics, "rpc_server_call_duration_seconds_count", "OK") is None


@given(st.lists(st.one_of(st.sampled_from(BUCKETS), st.floats(0, 20)), max_size=30))
def test_the_copy_of_observe_in_the_layer_counts_as_observe_does(durations):
    """`Series.observe` says where a duration belongs, and what the sum is."""
    time, metrics, original = Clock(), CallMetrics(), Series()

    async def lasts(seconds, _ctx):
        time.now += seconds
        return seconds

    handle = metrics.server.wrap(SAY, lasts)
    with clock.using(time):
        for seconds in durations:
            start = time.now
            with pytest.raises(StopIteration):  # the end of a coroutine that waits for nothing: a loop for each takes 30 s in all
                handle(seconds, Context("a/b")).send(None)
            original.observe(time.now - start)
    cumulative = [*accumulate(original.counts)]
    for bound, count in [(str(bound), cumulative[FINE.index(bound)]) for bound in BUCKETS] + [("+Inf", cumulative[-1])]:
        assert sample(metrics, "rpc_server_call_duration_seconds_bucket", "OK", le=bound) == count
    assert sample(metrics, "rpc_server_call_duration_seconds_sum", "OK") == original.total


@given(st.lists(st.one_of(st.sampled_from(BUCKETS), st.floats(0, 20)), min_size=1, max_size=30))
def test_the_copy_of_observe_for_early_rejections_counts_as_observe_does(durations):
    """The original is `Series.observe` here too."""
    metrics, original = CallMetrics(), Series()
    count = metrics.server.rejections(SAY)
    for seconds in durations:
        count(seconds)
        original.observe(seconds)
    cumulative = [*accumulate(original.counts)]
    for bound, total in [(str(bound), cumulative[FINE.index(bound)]) for bound in BUCKETS] + [("+Inf", cumulative[-1])]:
        assert sample(metrics, "rpc_server_call_duration_seconds_bucket", "RESOURCE_EXHAUSTED", le=bound) == total
    assert sample(metrics, "rpc_server_call_duration_seconds_sum", "RESOURCE_EXHAUSTED") == original.total


def test_bounds_ascend_from_a_tenth_of_a_millisecond_to_ten_seconds():
    assert list(BUCKETS) == sorted(BUCKETS)
    assert (BUCKETS[0], BUCKETS[-1]) == (1e-4, 10)
    assert max(upper / lower for lower, upper in pairwise(BUCKETS)) <= 2.5 + 1e-9
