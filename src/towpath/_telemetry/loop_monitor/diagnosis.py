"""Why the loop did not turn, judged by what was measured. Code is blamed only for time in which it had the processor or chose to wait."""

from dataclasses import dataclass
from typing import Final

from towpath._telemetry.loop_monitor.block import Cause

ENOUGH: Final = 0.8
"""The part of the limit that has to be left once all else is taken off, for code to be blamed."""

_SWITCH: Final = 0.004
"""Seconds of lateness from which another thread, which Python lets run for 5 ms, may have had the interpreter's lock."""

_HELD: Final = 0.015
"""Seconds for which no Python code keeps the interpreter's lock, so that a function that is not Python's did."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was measured of one time in which the loop did not turn. All times are in seconds."""

    elapsed: float
    """How long it was."""
    limit: float
    ran: float
    """How long the loop's thread ran."""
    waited: float
    """How long it could have run and had no processor."""
    process_ran: float
    """How long all threads ran."""
    throttled: float
    """How long the container's limit kept the process from running."""
    gc: float
    """How long the garbage collector took."""
    late: float
    """How much later the monitor's thread came to look than it meant to, without the time in which it had no processor; of all looks."""
    looks: int
    """How often it looked."""
    state: str
    """The state of the loop's thread at the last look: R, S, D or T."""
    asleep: bool
    """Whether the thread slept in a callback at some look."""
    idle: bool
    """Whether the loop ran no callback at any look."""
    same: bool
    """Whether it was one callback at most looks, or one for as long as the limit."""
    at_call: bool
    """Whether the callback was at one instruction at every look, which calls a function."""


@dataclass(frozen=True)
class Verdict:
    """The cause, and whether the code was in a function that is not written in Python."""

    cause: Cause
    in_c: bool = False


def diagnosed(seen: Evidence) -> Verdict:
    """The cause of one time in which the loop did not turn."""
    outside = max(seen.waited, seen.throttled)
    left = seen.elapsed - outside - seen.gc
    if left < ENOUGH * seen.limit:
        return Verdict(_outside(seen))
    # A thread that has no processor may have the interpreter's lock, and then the monitor waits for both.
    held = max(0.0, seen.late - seen.waited)
    if seen.ran - seen.gc >= ENOUGH * seen.limit:
        if not seen.looks or seen.idle:
            return Verdict(Cause.UNKNOWN)
        if not seen.same:
            return Verdict(Cause.MANY)
        return Verdict(Cause.CODE, in_c=held >= _HELD or (seen.at_call and seen.late < _SWITCH * seen.looks))
    others_ran = seen.process_ran - seen.ran >= left / 2
    if held >= left / 2:
        return Verdict(Cause.GIL if others_ran else Cause.STOPPED)
    if others_ran and held >= _SWITCH * max(1, seen.looks):
        return Verdict(Cause.GIL)
    if seen.asleep:
        return Verdict(Cause.CODE, in_c=True) if seen.same else Verdict(Cause.MANY)
    return Verdict(Cause.STARVED if seen.state == "R" else Cause.UNKNOWN)


def _outside(seen: Evidence) -> Cause:
    causes = {Cause.GC: seen.gc, Cause.THROTTLED: seen.throttled, Cause.STARVED: seen.waited}
    return max(causes, key=lambda cause: causes[cause])
