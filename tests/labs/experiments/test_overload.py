"""The experiment on overload: what it concludes from figures, and that its processes do what it says of them."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from labs.experiments.overload.experiment import LOADS, STEPS, bars
from labs.experiments.overload.measuring import Load, Run, run, settled


def load(times: float, goodput: float, *, p99: float = 0.004, rejection: float = 10e-6) -> Load:
    """A server that spends a millisecond on each call that it serves."""
    offered = 1000 * times
    processor = goodput * 0.001 + (offered - goodput) * rejection
    share = goodput / offered
    return Load(times=times, offered=offered, goodput=goodput, answered=share, p50=0.001, p99=p99, failed={}, processor=processor)


def measured(goodput: dict[float, float], **given: float) -> Run:
    return Run(capacity=1000, loads=[load(times, goodput.get(times, min(1000 * times, 950)), **given) for times in LOADS])


def test_all_bars_hold_for_a_server_that_keeps_what_it_can_do():
    assert all(finding.holds for finding in bars([measured({})]))


@pytest.mark.parametrize(("times", "word"), [(1.0, "at 1x"), (10.0, "at 10x")])
def test_goodput_is_judged_at_every_step(times, word):
    finding = bars([measured({times: 700})])[0]
    assert (finding.holds, finding.measured) == (False, "0.74")
    assert word in finding.what


def test_latency_is_judged_by_that_at_half_load():
    loads = [load(times, min(1000 * times, 950), p99=0.009 if times == 5.0 else 0.004) for times in LOADS]
    finding = bars([Run(capacity=1000, loads=loads)])[1]
    assert (finding.holds, finding.measured) == (False, "2.25")
    assert "at 5x" in finding.what


def test_what_a_rejection_costs_is_told_from_what_a_served_call_costs():
    assert measured({}, rejection=20e-6).rejection == pytest.approx(20e-6)
    assert not bars([measured({}, rejection=20e-6)])[2].holds


def test_one_slow_round_of_three_decides_nothing_and_two_do():
    good, slow = measured({}), measured({10.0: 700}, rejection=20e-6)
    assert all(finding.holds for finding in bars([good, slow, good]))
    findings = bars([slow, good, slow])
    assert [finding.measured for finding in findings if not finding.holds] == ["0.74", "20.0 us"]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([(20, 20), (20, 19)], 0.25),
        ([(20, 0), (20, 18), (20, 20), (0, 0), (20, 20)], 0.45),
        ([(20, 20), (20, 20), (20, 18)], float("inf")),
        ([], 0.25),
    ],
)
def test_a_server_has_settled_after_the_last_window_that_was_not_answered(windows, expected):
    assert settled(windows, 0.25) == pytest.approx(expected)


def test_a_server_that_takes_longer_than_a_second_to_settle_is_found():
    loads = [*measured({}).loads[:-1], replace(load(0.5, 500), settled=1.1)]
    finding = bars([Run(capacity=1000, loads=loads)])[-1]
    assert (finding.holds, finding.measured) == (False, "1.10 s")


async def served(kind: str, loads: Sequence[float]) -> tuple[Run, float]:
    """A run in which a server of `kind` answered under each load, and the seconds of a load. A server that another process kept from
    running for all of a short load is measured again with longer ones."""
    seconds = 0.3
    while True:
        found = await run(kind, loads, seconds=seconds)
        if all(found.at(each).goodput > 0 for each in loads):
            return found, seconds
        seconds *= 4


async def test_a_real_server_under_load_serves_some_and_rejects_the_rest():
    found, seconds = await served("towpath", (0.5, 5.0))
    over = found.at(5.0)
    assert found.capacity > 0
    # RESOURCE_EXHAUSTED, or REFUSED_STREAM to a generator that opens more streams than it may, or DEADLINE_EXCEEDED from a server that
    # another process kept from running: nothing was lost, nothing hung.
    assert set(over.failed) <= {"8", "reset 7", "4"}
    assert found.at(0.5).settled > 0  # and infinite if the machine was busy at the end
    assert over.answered * over.offered + sum(over.failed.values()) / seconds == pytest.approx(over.offered)
    assert over.goodput <= over.answered * over.offered  # what waited was answered after the load


async def test_the_other_server_serves_too():
    found, _ = await served("grpcio.aio", (0.5,))
    assert found.at(0.5).goodput > 0


def test_the_steps_are_among_the_loads():
    assert set(STEPS) < set(LOADS)
