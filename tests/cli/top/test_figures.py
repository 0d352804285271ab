"""The figures of `towpath top`, from two looks at each process."""

import pytest

from towpath._admin.gen.towpath.admin.v1 import admin_pb2 as pb
from towpath._cli.top.figures import Durations, Look, figures
from towpath._telemetry.metric_names import SERVER_DURATION

BOUNDS = [0.001, 0.01, 0.1]


def look(at: float, *, service: str = "shop", pid: int = 1, state: pb.State = pb.STATE_SERVING, shed: int = 0, **codes: list[int]) -> Look:
    """A look at a process with so many calls in each bucket, by status code."""
    durations = [
        pb.Sample(labels={"rpc_method": "shop.Shop/Buy", "rpc_status_code": code}, bounds=BOUNDS, counts=counts)
        for code, counts in codes.items()
    ]
    decisions = [
        pb.Sample(labels={"role": "admission", "reason": "QUEUE_FULL", "shadow": "false"}, value=shed),
        pb.Sample(labels={"role": "admission", "reason": "QUEUE_FULL", "shadow": "true"}, value=1e6 * at),
        pb.Sample(labels={"role": "retry", "reason": "ATTEMPT", "shadow": "false"}, value=1e6 * at),
    ]
    metrics = [
        pb.Metric(name=SERVER_DURATION.name, samples=durations),
        pb.Metric(name="towpath_decisions", samples=decisions),
        pb.Metric(name="towpath_admission_in_flight", samples=[pb.Sample(labels={"rpc_method": "a"}, value=at), pb.Sample(value=1)]),
        pb.Metric(name="towpath_eventloop_delay_seconds", samples=[pb.Sample(bounds=[0.001, 0.002], counts=[0, int(at), 0])]),
        pb.Metric(name="process_resident_memory_bytes", samples=[pb.Sample(value=1e6)]),
    ]
    process = pb.GetProcessResponse(service=service, pid=pid, state=state)
    return Look(at=at, process=process, metrics={metric.name: metric for metric in metrics})


def test_what_came_between_two_looks_counts() -> None:
    before = look(10.0, OK=[100, 0, 0, 0], shed=5)
    after = look(12.0, OK=[180, 10, 0, 0], INTERNAL=[0, 0, 10, 0], shed=25)
    (found,) = figures([(before, after)])
    assert (found.name, found.state, found.processes) == ("shop", "serving", 1)
    assert (found.rate, found.errors, found.shed) == (50.0, 0.1, 10.0)
    assert (found.in_flight, found.memory) == (13.0, 1e6)
    assert found.lag == pytest.approx(0.00199)
    assert found.p50 == pytest.approx(0.001 * 50 / 80)
    assert found.p99 == pytest.approx(0.01 + 0.09 * 0.9)


def test_processes_of_one_service_are_one_line() -> None:
    pairs = [
        (look(0.0, pid=1, OK=[0, 0, 0, 0]), look(1.0, pid=1, OK=[10, 0, 0, 0])),
        (look(0.0, pid=2, OK=[0, 0, 0, 0]), look(2.0, pid=2, state=pb.STATE_STOPPING, OK=[0, 10, 0, 0])),
        (look(0.0, service="cart", pid=3), look(1.0, service="cart", pid=3)),
    ]
    cart, shop = figures(pairs)
    assert (cart.name, cart.rate, cart.errors, cart.p50) == ("cart", 0.0, 0.0, None)
    assert (shop.name, shop.rate, shop.processes, shop.state, shop.memory) == ("shop", 15.0, 2, "stopping", 2e6)


def test_a_process_that_was_restarted_has_begun_at_zero() -> None:
    (found,) = figures([(look(0.0, pid=1, OK=[1000, 0, 0, 0], shed=50), look(1.0, pid=2, OK=[7, 0, 0, 0], shed=3))])
    assert (found.rate, found.shed) == (7.0, 3.0)


def test_a_look_without_metrics_is_one_without_calls() -> None:
    bare = Look(at=0.0, process=pb.GetProcessResponse(service="old"), metrics={})
    (found,) = figures([(bare, bare)])
    assert (found.rate, found.p99, found.state, found.lag, found.memory) == (0.0, None, "unspecified", None, None)


@pytest.mark.parametrize(
    ("counts", "part", "seconds"),
    [
        ([0, 0, 0, 0], 0.5, None),
        ([10, 0, 0, 0], 0.5, 0.0005),
        ([10, 0, 0, 0], 1.0, 0.001),
        ([0, 10, 0, 0], 0.5, 0.0055),
        ([0, 0, 0, 10], 0.5, 0.1),  # nothing is known above the last bound
    ],
)
def test_a_percentile_is_interpolated_within_its_bucket(counts: list[int], part: float, seconds: float | None) -> None:
    durations = Durations()
    durations.add(BOUNDS, counts)
    assert durations.quantile(part) == (None if seconds is None else pytest.approx(seconds))


def test_series_of_another_shape_are_left_out() -> None:
    durations = Durations()
    durations.add(BOUNDS, [1, 0, 0, 0])
    durations.add([1.0], [5, 5])
    assert durations.counts == [1, 0, 0, 0]
    assert Durations(bounds=(), counts=[3]).quantile(0.5) is None
