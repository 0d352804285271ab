"""A metric has a bounded number of series, and whoever makes many calls has one of them."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core import clock
from towpath._telemetry.exposition import exposition
from towpath._telemetry.histogram import Series
from towpath._telemetry.metrics import CallMetrics
from towpath._telemetry.series_cap import HEAVY, MIN_CAP, OTHER, SeriesCap

Values = tuple[str, ...]


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Iterator[Time]:
    source = Time()
    with clock.using(source):
        yield source


def tenant(name: str, method: str = "a.B/C") -> Values:
    return ("grpc", method, name)


def small() -> SeriesCap[Series]:
    return SeriesCap(Series, MIN_CAP, 3, 1)


def call(cap: SeriesCap[Series], values: Values, times: int = 1) -> None:
    for _ in range(times):
        cap.current(values).observe(0.001)


@pytest.mark.usefixtures("time")
def test_the_first_have_series_and_the_rest_are_counted_together() -> None:
    cap = small()
    for index in range(100):
        call(cap, tenant(f"t{index}"))
    assert cap.series[tenant("t0")].count == 1
    assert cap.series[tenant(OTHER)].count == cap.overflowed == 44
    assert len(cap.series) == 57


@pytest.mark.usefixtures("time")
def test_each_call_is_counted_once_and_the_cap_holds_for_any_labels() -> None:
    cap = small()
    for index in range(3_000):
        call(cap, (f"s{index % 700}", f"m{index}", f"t{index}"))
    assert len(cap.series) == MIN_CAP
    assert sum(series.count for series in cap.series.values()) == 3_000
    assert cap.series[OTHER, OTHER, OTHER].count > 0


class TestAHeavyTenant:
    def test_gets_a_series_in_the_place_of_one_that_is_hardly_used(self, time: Time) -> None:
        cap = small()
        for index in range(100):
            call(cap, tenant(f"t{index}"))
        call(cap, tenant("heavy"), HEAVY)
        assert cap.ended == 1
        call(cap, tenant("heavy"), 10)
        assert cap.series[tenant("heavy")].count == 11
        assert len(cap.series) == 57

    def test_is_found_among_many_that_come_once(self, time: Time) -> None:
        cap = small()
        for index in range(20_000):
            call(cap, tenant(f"t{index}"))
            if index % 20 == 0:
                call(cap, tenant("heavy"))
        assert tenant("heavy") in cap.series
        assert len(cap.series) <= MIN_CAP

    def test_takes_no_place_of_those_with_as_many_calls(self, time: Time) -> None:
        cap = small()
        for index in range(56):
            call(cap, tenant(f"t{index}"), 2 * HEAVY)
        call(cap, tenant("heavy"), HEAVY)
        assert cap.ended == 0
        assert cap.series[tenant(OTHER)].count == HEAVY

    def test_takes_the_place_of_one_that_was_heavy_once(self, time: Time) -> None:
        cap = small()
        for index in range(56):
            call(cap, tenant(f"t{index}"), 2 * HEAVY)
        call(cap, tenant("later"), HEAVY)  # looks, and finds none: from here on it is counted anew
        time.now += 11
        for index in range(1, 56):
            call(cap, tenant(f"t{index}"), HEAVY + 30)
        call(cap, tenant("later"), 2 * HEAVY)
        assert tenant("later") in cap.series
        assert tenant("t0") not in cap.series

    def test_takes_no_place_that_somebody_holds(self, time: Time) -> None:
        cap = small()
        held = [cap.lasting(tenant(f"t{index}")) for index in range(56)]
        call(cap, tenant("heavy"), 10 * HEAVY)
        assert [cap.series[tenant(f"t{index}")] for index in range(56)] == held

    def test_may_lose_its_place_to_nobody_who_has_come_to_be_held_meanwhile(self, time: Time) -> None:
        cap = small()
        for index in range(56):
            call(cap, tenant(f"t{index}"))
        call(cap, tenant("first"), HEAVY)
        for values in list(cap.series):
            cap.lasting(values)
        call(cap, tenant("second"), 10 * HEAVY)
        assert cap.ended == 1


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3 * HEAVY)), max_size=60), st.integers(0, 2**32))
def test_the_cap_holds_and_no_call_is_lost_but_with_an_ended_series(runs: list[tuple[int, int]], seed: int) -> None:
    source, calls = Time(), 0
    with clock.using(source):
        cap = small()
        for index in range(56):
            call(cap, tenant(f"first{index}"))
        for name, times in runs:
            call(cap, tenant(f"t{(name * seed) % 97}"), times)
            calls += times
            source.now += times % 7
    assert len(cap.series) <= MIN_CAP
    left = sum(series.count for series in cap.series.values())
    assert left <= calls + 56
    if not cap.ended:
        assert left == calls + 56


@pytest.mark.usefixtures("time")
def test_a_million_tenants_methods_and_peers_take_bounded_memory() -> None:
    metrics = CallMetrics(by=["peer", "tenant"])
    server = metrics.histograms[0]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(3_000):  # until all is full that ever will be
            server.observe(("grpc", f"m/{index}", "OK", "", f"p{index}", f"t{index}"), 0.001)
        filled = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert filled - before < 8 << 20
    count = len(server.cap.series)
    for index in range(1_000_000):
        server.observe(("grpc", f"n/{index}", "OK", "", f"q{index}", f"u{index}"), 0.001)
    assert len(server.cap.series) <= 2_000
    assert len(server.cap.series) - count <= 125
    assert server.cap.overflowed > 1_000_000
    for _ in range(HEAVY + 5):
        server.observe(("grpc", "a.B/C", "OK", "", "spiffe://x/heavy", "late"), 0.001)
    text = exposition(metrics.registry)
    assert 'rpc_method="_OTHER"' in text
    assert 'service_peer_name="spiffe://x/heavy",tenant="late"' in text
    assert 'towpath_metrics_overflows_total{metric="rpc_server_call_duration_seconds"} ' in text
