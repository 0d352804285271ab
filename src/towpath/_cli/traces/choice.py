"""Which trace is shown, and what is said where there is none."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from towpath._cli.traces.waterfall import time_of_day
from towpath._core.disclosure.printable import printable
from towpath._core.errors import SetupError
from towpath._telemetry.traces.model import Trace
from towpath._telemetry.traces.rings import Rings, Wanted

_CANDIDATES: Final = 8
"""Rows of which the slowest trace is found. A call takes longer than what it calls, but for those that it did not wait for."""

COMPARED: Final = 100
"""Other traces of the same method that say what is usual."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which trace is wanted."""

    prefix: str | None
    failed: bool
    slowest: bool
    since: float | None
    last: str | None
    """`since` as it was typed."""


def check(prefix: str | None, *, chosen: bool, many: str | None, versus: str | None, html: Path | None) -> None:
    """Raise SetupError for options that say different things. `chosen` says whether --slowest or --failed was given."""
    is_one = bool(prefix) and (bool(many) or is_id(prefix or ""))
    given = [name for name, value in (("an id", is_one), ("--slowest or --failed", chosen), ("--many", many)) if value]
    if len(given) > 1:
        raise SetupError(f"{' and '.join(given)} ask for different traces; give one of them")
    if versus is not None and many is None:
        raise SetupError("--versus compares many traces; give --many SERVICE/METHOD too")
    if html is not None and many is not None:
        raise SetupError("--html shows one trace; leave out --many, or use --json")


def now(rings: Rings, *, of_files: bool) -> float:
    """The time of day until which is looked back: that of this machine, or of the newest call in files that were named."""
    if not of_files:
        return time.time()
    newest = rings.heads(Wanted(), most=1, latest=True)
    return newest[0].began_at + 1e-6 if newest else time.time()


def chosen(rings: Rings, wanted: Chosen) -> Trace:
    """The trace. Raises SetupError, which says what there is, if there is none or if several begin as was said."""
    files: frozenset[int] | None = None
    if wanted.prefix is not None:
        files = _of_service(rings, wanted.prefix)
        if not files or (is_id(wanted.prefix) and rings.with_prefix(digits_of(wanted.prefix))):
            return _by_id(rings, wanted.prefix)
    calls = Wanted(since=float("-inf") if wanted.since is None else wanted.since, failed=wanted.failed, files=files)
    heads = rings.heads(replace(calls, streams=False), most=_CANDIDATES, latest=False) if wanted.slowest else []
    heads = heads or rings.heads(calls, most=_CANDIDATES, latest=not wanted.slowest)
    if not heads:
        raise SetupError(_nothing(rings, wanted))
    found: Trace | None = None
    for head in heads if wanted.slowest else heads[:1]:
        if found is not None and (files is not None or found.root.duration >= head.took * 1e6):
            break  # no call of another trace took longer
        for trace in rings.traces([head.place]):
            if found is None or trace.root.duration > found.root.duration:
                found = trace
    if found is None:
        raise SetupError(f"what was found is no call that any clock allows; {_what_there_is(rings)}")
    return found


def digits_of(prefix: str) -> str:
    """The first digits of a trace's id, as they were typed. Raises SetupError for what can be none."""
    if not is_id(prefix):
        raise SetupError(f"{prefix!r} is no id of a trace; give up to 32 hex digits, such as 8f3a91d2")
    return prefix.lower().removesuffix("..")


def is_id(text: str) -> bool:
    """Whether it may be the beginning of a trace's id."""
    digits = text.lower().removesuffix("..")
    return 0 < len(digits) <= 32 and not digits.strip("0123456789abcdef")


def _of_service(rings: Rings, name: str) -> frozenset[int]:
    """The rings of the service, or of the process with this id."""
    sources = [(index, file.frame.service, Path(file.source).name) for index, file in enumerate(rings.files)]
    return frozenset(index for index, service, source in sources if name == service or (name.isdecimal() and f"-{name}." in source))


def _by_id(rings: Rings, prefix: str) -> Trace:
    if not is_id(prefix):
        there = ", ".join(sorted({printable(file.frame.service) for file in rings.files}))
        raise SetupError(
            f"{prefix!r} is no id of a trace, such as 8f3a91d2, and no service whose calls are recorded here; there are {there}"
        )
    digits = digits_of(prefix)
    found = rings.with_prefix(digits)
    if not found:
        raise SetupError(f"no trace begins with {digits}; {_what_there_is(rings)}")
    if len(found) > 1:
        some = ", ".join(trace.decode() for trace in found[:3])
        raise SetupError(f"{len(found):,} traces begin with {digits}; give more digits: {some}{', ...' if len(found) > 3 else ''}")
    traces = rings.traces(ids=found)
    if not traces:
        raise SetupError(f"the rows of trace {digits} say times that no clock does; {_what_there_is(rings)}")
    return traces[0]


def _nothing(rings: Rings, wanted: Chosen) -> str:
    what = "no call failed" if wanted.failed else "no call is recorded"
    when = f" in the last {wanted.last}" if wanted.last is not None else ""
    return f"{what}{when}; {_what_there_is(rings)}"


def _what_there_is(rings: Rings) -> str:
    """How many calls are recorded, and from when."""
    heads = rings.heads(Wanted(), latest=True)
    services = sorted({file.frame.service or "a service without a name" for file in rings.files})
    shown = ", ".join(services[:5]) + (f" and {len(services) - 5} more" if len(services) > 5 else "")
    if not heads:
        return f"the rings of {shown} have no call yet"
    oldest, newest = time_of_day(heads[-1].began_at), time_of_day(heads[0].began_at)
    return f"the rings of {shown} hold {len(heads):,} received calls, from {oldest} to {newest}"
