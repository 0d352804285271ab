"""`towpath trace`: where the time of a call went, over all services that it went through."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._telemetry.traces.model import Trace
    from towpath._telemetry.traces.report import Report
    from towpath._telemetry.traces.rings import Rings


def trace(
    id: str | None = None,  # noqa: A002 # it is called so in the help
    /,
    *,
    slowest: Annotated[bool, Parameter(negative="")] = False,
    failed: Annotated[bool, Parameter(negative="")] = False,
    last: str | None = None,
    file: Annotated[list[Path] | None, Parameter(negative="", consume_multiple=True)] = None,
    many: str | None = None,
    versus: str | None = None,
    html: Annotated[Path | None, Parameter(negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show where the time of a call went: which hop, which phase, and what is usual there.

    The calls are read from the flight recorders of this user's services, sampled or not, and also from those of processes that hang or have
    died. Without an id the slowest trace is shown.

    Example: towpath trace --slowest --last 5m

    Parameters
    ----------
    id
        A trace's id, or as many of its first digits as no other has; or a service's name or a process's id, for traces through it.
    slowest
        The slowest trace, or with --failed the slowest of those that failed.
    failed
        The trace that failed last.
    last
        Only calls that began in this time, such as 30s, 5m or 2h; with --file, the time before the newest call in the files.
    file
        Files or folders of flight recorders, or of spans in Jaeger's or OTLP's JSON; without it, this user's flight recorders.
    many
        SERVICE/METHOD, such as front.v1.Front/Get: what each hop and phase contributes to p50, p95 and p99 of all its traces.
    versus
        With --many: what has grown since this time of day, such as 10:20-10:30.
    html
        Write the trace to this file as one page, which needs nothing else.
    json
        Print it as JSON.
    """
    from towpath._cli.traces import choice, files, foreign, times
    from towpath._cli.traces.collecting import collected_later

    choice.check(id, chosen=slowest or failed, many=many, versus=versus, html=html)
    seconds = None if last is None else times.seconds(last, "--last")
    wanted = partial(choice.Chosen, prefix=id, failed=failed, slowest=slowest or not failed, last=last)
    with collected_later():
        if spans := foreign.foreign_traces(file or ()):
            since = None if seconds is None else foreign.newest(spans) - seconds
            return _show(foreign.foreign_report(spans, wanted(since=since), many), html, json=json)
        rings = files.rings_of(file or ())
        now = choice.now(rings, of_files=bool(file))
        since = None if seconds is None else now - seconds
        if many is not None:
            from towpath._cli.traces.many import show_many

            return show_many(rings, many, since=since, versus=None if versus is None else times.window(versus, "--versus", now), json=json)
        return _show(_reported(rings, choice.chosen(rings, wanted(since=since))), html, json=json)


def _show(report: "Report", html: Path | None, *, json: bool) -> int:
    if html is not None:
        from towpath._cli.traces.page import write_page

        write_page(report, html)
    if json:
        import json as writer

        from towpath._cli.traces.fields import report_fields

        print(writer.dumps(report_fields(report), indent=2))
    elif html is None:
        from towpath._cli.traces.terminal import style
        from towpath._cli.traces.waterfall import waterfall

        print(waterfall(report, style()))
    return 0


def _reported(rings: "Rings", found: "Trace") -> "Report":
    """The report of a trace, with what is usual in others of the same method."""
    from towpath._cli.traces.choice import COMPARED
    from towpath._telemetry.traces.comparison import usual
    from towpath._telemetry.traces.report import report
    from towpath._telemetry.traces.rings import Wanted

    root = found.root
    heads = rings.heads(Wanted(methods=frozenset({root.method}), unbiased=True), most=COMPARED, latest=True)
    others = (other for other in rings.traces(head.place for head in heads) if not found.trace_id or other.trace_id != found.trace_id)
    medians, count = usual(
        other.root
        for other in others
        if other.root.method == root.method and type(other.root) is type(root) and other.root.base != root.base
    )
    return report(found, medians, count)
