"""The lab runs both sides over real connections, and its findings follow its bars."""

import asyncio

import pytest

from labs.experiments.do_no_harm.sides import SIDES
from labs.experiments.growth.experiment import STEPS, Step, findings, grow


@pytest.mark.parametrize("side", SIDES.values(), ids=lambda side: side.name)
def test_calls_in_flight_share_their_connections_and_none_fails(side):
    found = asyncio.run(grow(side, ((8, 1), (40, 8)), 0.0, 0.2))
    assert list(found) == [(8, 1), (40, 8)]
    assert [step.failed for step in found.values()] == [0, 0]


@pytest.mark.parametrize(
    ("ratio", "without", "failed", "missed"),
    [
        (1.0, 1.0, 0, 0),
        (0.7, 0.7, 0, 0),  # the bare path loses as much
        (0.7, 0.9, 0, 6),
        (1.0, 1.0, 1, 1),
    ],
)
def test_findings_follow_the_bars(ratio, without, failed, missed):
    found = findings([_steps(ratio, failed)], [_steps(without, 0)])
    assert sum(not finding.holds for finding in found) == missed


def _steps(ratio: float, failed: int) -> dict[tuple[int, int], Step]:
    steps = {(calls, connections): Step(goodput=100 * (1 if calls == 64 else ratio), failed=0) for calls, connections in STEPS}
    steps[64, 1] = Step(goodput=100, failed=failed)
    return steps
