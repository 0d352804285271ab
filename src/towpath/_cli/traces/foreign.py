"""Traces in files of other systems: Jaeger's JSON, as its UI downloads it, and OTLP's JSON, as collectors write it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from towpath._cli.traces.choice import COMPARED, Chosen, digits_of
from towpath._cli.traces.files import SUFFIX
from towpath._core.errors import Code, SetupError
from towpath._telemetry.flight_recorder.ring_files import ring_files

if TYPE_CHECKING:
    from towpath._telemetry.traces.foreign.spans_to_trace import ForeignTrace
    from towpath._telemetry.traces.report import Report

_SUFFIXES: Final = frozenset({".json", ".jsonl"})


def foreign_traces(named: Sequence[Path]) -> "list[ForeignTrace]":
    """The traces in the files that were named, or in folders of such; none if these are files of flight recorders.

    Raises SetupError for a file that cannot be read, and if files of both kinds are named.
    """
    foreign = [path for path in dict.fromkeys(named) if _is_foreign(path)]
    if not foreign:
        return []
    if len(foreign) < len(set(named)):
        other = next(path for path in named if path not in foreign)
        raise SetupError(f"{foreign[0]} is of another tracing system, and {other} of a flight recorder; name files of one kind")
    from towpath._telemetry.traces.foreign.reading import read_foreign
    from towpath._telemetry.traces.foreign.span import ForeignTraceError

    try:
        return read_foreign(*foreign)
    except ForeignTraceError as error:
        raise SetupError(str(error)) from error


def foreign_report(traces: "Sequence[ForeignTrace]", wanted: Chosen, many: str | None) -> "Report":
    """The report of the trace that is wanted, with what is usual in others of the same method. Raises SetupError if there is none, if
    several begin as was said, or for `--many`."""
    if many is not None:
        raise SetupError("--many reads files of flight recorders, whose phases it compares; leave it out for files of spans")
    from towpath._telemetry.traces.comparison import usual
    from towpath._telemetry.traces.report import report

    found = _chosen(traces, wanted)
    root = found.trace.root
    others = [one for one in traces if one is not found and one.trace.root.method == root.method and type(one.trace.root) is type(root)]
    others.sort(key=lambda one: one.trace.root.began_at, reverse=True)
    medians, count = usual(one.trace.root for one in others[:COMPARED])
    told = report(found.trace, medians, count)
    told.foreign = True
    told.notes += found.notes
    return told


def newest(traces: "Sequence[ForeignTrace]") -> float:
    """The time of day at which the last trace began, in seconds since 1970."""
    return max(one.trace.root.began_at for one in traces)


def _is_foreign(path: Path) -> bool:
    if not path.is_dir():
        return path.suffix in _SUFFIXES
    inside = {file.suffix for file in path.iterdir()}
    return bool(inside & _SUFFIXES) and SUFFIX not in inside and not ring_files(path)


def _chosen(traces: "Sequence[ForeignTrace]", wanted: Chosen) -> "ForeignTrace":
    if wanted.prefix is not None:
        digits = digits_of(wanted.prefix)
        found = [one for one in traces if one.trace.trace_id.startswith(digits)]
        if len(found) > 1:
            some = ", ".join(one.trace.trace_id for one in found[:3])
            raise SetupError(f"{len(found):,} traces begin with {digits}; give more digits: {some}{', ...' if len(found) > 3 else ''}")
        nothing = f"no trace begins with {digits}"
    else:
        since = float("-inf") if wanted.since is None else wanted.since
        found = [one for one in traces if one.trace.root.began_at >= since]
        if wanted.failed:
            found = [one for one in found if one.trace.root.code not in (0, Code.CANCELLED)]
        nothing = "no trace failed" if wanted.failed else "no trace began"
        nothing += f" in the last {wanted.last}" if wanted.last is not None else ""
    if not found:
        raise SetupError(f"{nothing}; the files hold {len(traces):,} {'trace' if len(traces) == 1 else 'traces'}")
    return max(found, key=lambda one: one.trace.root.duration if wanted.slowest else one.trace.root.began_at)
