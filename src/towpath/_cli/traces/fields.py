"""A report, and a comparison, as objects for JSON. Times are milliseconds; names are whole."""

from towpath._telemetry.traces.comparison import Growth
from towpath._telemetry.traces.report import HopPhase, Part, Report, code_name


def report_fields(report: Report) -> dict[str, object]:
    """A report. The hops are a list in which each names the place of its caller, since a trace may be deeper than readers of JSON go."""
    guilty, marked = report.guilty, report.marked
    return {
        "trace": report.trace_id,
        "began_at": report.began_at,
        "ms": report.duration / 1000,
        "kept": None if report.foreign else report.kept,
        "sampled": None if report.foreign else report.sampled,
        "answered": report.answered,
        "compared_with": report.compared,
        "follow_ups": report.follow_ups,
        "failed": report.failed,
        "guilty": None if guilty is None else {"hop": guilty[0], **_part(guilty[1])},
        "marked": None if marked is None else {"hop": marked[0], **_part(marked[1])},
        "hops": [
            {
                "caller": hop.parent,
                "service": hop.service,
                "method": hop.method,
                "code": code_name(hop.code),
                "attempts": hop.attempts,
                "seen": hop.seen,
                "start": hop.start / 1000,
                "end": hop.end / 1000,
                "parts": [_part(part) for part in hop.parts],
                "notes": hop.notes,
            }
            for hop in report.hops
        ],
        "notes": report.notes,
    }


def _part(part: Part) -> dict[str, object]:
    return {
        "phase": part.phase,
        "on_path": part.on_path,
        "ms": part.took / 1000,
        "usual": None if part.usual is None else part.usual / 1000,
        "spans": [[start / 1000, end / 1000] for start, end in part.spans],
    }


def contribution_fields(key: HopPhase, took: float) -> dict[str, object]:
    """What a hop and phase contribute to a quantile."""
    return {"service": key[0], "method": key[1], "phase": key[2], "ms": took / 1000}


def growth_fields(growth: Growth) -> dict[str, object]:
    """How much the whole, or a hop and phase, has grown."""
    named = {} if growth.key is None else {"service": growth.key[0], "method": growth.key[1], "phase": growth.key[2]}
    figures = {"before": growth.before / 1000, "after": growth.after / 1000, "difference": growth.difference / 1000}
    return {**named, **figures, "error": growth.error / 1000, "sure": growth.sure}
