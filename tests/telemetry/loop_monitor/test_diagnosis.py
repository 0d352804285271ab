"""Which cause is named for what was measured."""

from dataclasses import replace

import pytest

from towpath._telemetry.loop_monitor.block import Cause
from towpath._telemetry.loop_monitor.diagnosis import Evidence, Verdict, diagnosed

QUIET = Evidence(
    elapsed=0.1,
    limit=0.05,
    ran=0.0,
    waited=0.0,
    process_ran=0.0,
    throttled=0.0,
    gc=0.0,
    late=0.0,
    looks=3,
    state="S",
    asleep=False,
    idle=False,
    same=True,
    at_call=False,
)
"""A loop that did nothing at all for 100 ms, and nobody knows why."""


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        # Code of the program.
        ({"ran": 0.1, "process_ran": 0.1, "late": 0.018, "state": "R"}, Verdict(Cause.CODE, in_c=True)),
        ({"ran": 0.1, "process_ran": 0.1, "late": 0.013, "state": "R"}, Verdict(Cause.CODE)),
        ({"ran": 0.1, "process_ran": 0.1, "late": 0.001, "at_call": True}, Verdict(Cause.CODE, in_c=True)),
        ({"ran": 0.1, "process_ran": 0.1, "late": 0.013, "at_call": True}, Verdict(Cause.CODE)),
        ({"asleep": True}, Verdict(Cause.CODE, in_c=True)),
        ({"asleep": True, "state": "R"}, Verdict(Cause.CODE, in_c=True)),
        # It had the processor for half of the time, and another process for the rest.
        ({"ran": 0.045, "waited": 0.055, "state": "R", "late": 0.05}, Verdict(Cause.CODE)),
        # Many callbacks.
        ({"ran": 0.1, "process_ran": 0.1, "same": False}, Verdict(Cause.MANY)),
        ({"asleep": True, "same": False}, Verdict(Cause.MANY)),
        # Nobody's fault.
        ({"gc": 0.08, "ran": 0.09}, Verdict(Cause.GC)),
        ({"waited": 0.09}, Verdict(Cause.STARVED)),
        ({"waited": 0.09, "ran": 0.01, "asleep": True}, Verdict(Cause.STARVED)),
        ({"state": "R"}, Verdict(Cause.STARVED)),
        ({"throttled": 0.09, "waited": 0.08}, Verdict(Cause.THROTTLED)),
        ({"throttled": 0.09}, Verdict(Cause.THROTTLED)),
        ({"late": 0.07}, Verdict(Cause.STOPPED)),
        ({"late": 0.07, "looks": 0, "idle": True}, Verdict(Cause.STOPPED)),
        ({"late": 0.07, "asleep": True}, Verdict(Cause.STOPPED)),
        # Another thread.
        ({"late": 0.07, "process_ran": 0.09}, Verdict(Cause.GIL)),
        ({"late": 0.015, "process_ran": 0.09, "asleep": True}, Verdict(Cause.GIL)),
        ({"late": 0.001, "process_ran": 0.09, "asleep": True}, Verdict(Cause.CODE, in_c=True)),
        # Nothing was seen.
        ({}, Verdict(Cause.UNKNOWN)),
        ({"ran": 0.1, "process_ran": 0.1, "looks": 0, "idle": True}, Verdict(Cause.UNKNOWN)),
        ({"ran": 0.1, "process_ran": 0.1, "idle": True}, Verdict(Cause.UNKNOWN)),
    ],
)
def test_the_cause_follows_from_the_measures(changes: dict[str, object], verdict: Verdict) -> None:
    assert diagnosed(replace(QUIET, **changes)) == verdict


@pytest.mark.parametrize("stopped", [0.2, 1.0, 3600.0])
def test_no_code_is_blamed_for_time_in_which_the_process_was_stopped(stopped: float) -> None:
    """Also where the loop was busy when the process was stopped."""
    seen = replace(QUIET, elapsed=stopped + 0.03, late=stopped, ran=0.02, process_ran=0.03, asleep=True, looks=1)
    assert diagnosed(seen) == Verdict(Cause.STOPPED)
