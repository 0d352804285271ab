"""One trace as one HTML file, which needs nothing else: no script, no font, no address outside.

Each text that others chose is escaped, and a policy in the page forbids scripts and requests, so that a method's name can do nothing.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from towpath._cli.traces.waterfall import WAITING, about_rows, failed_words, hop_name, milliseconds, share, time_of_day, verdict_words
from towpath._core.disclosure.printable import printable, shortened
from towpath._core.errors import SetupError
from towpath._telemetry.traces.folding import Fold, Shown, folded
from towpath._telemetry.traces.report import Part, Report, code_name

_MOST: Final = 40
"""Hops that are shown one by one."""
_WIDTH: Final = 1000
"""Units of a bar."""
_MANY_SPANS: Final = 200

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --page: #fff;
  --own: #2f7d4f; --wait: #b87700; --guilty: #c62828; --beside: #b6c2cf; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa6b2; --line: #343c46; --page: #12161b;
  --own: #4fae78; --wait: #d99a2b; --guilty: #ff6b5e; --beside: #46525f; } }
body { margin: 1.5rem; background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.15rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.guilty { color: var(--guilty); font-weight: 600; overflow-wrap: anywhere; }
.verdict { font-weight: 600; overflow-wrap: anywhere; }
.soft, td.note { color: var(--soft); }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .5rem; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; }
td.bar { width: 50%; min-width: 12rem; padding: 0; }
td.note { white-space: normal; }
svg { display: block; width: 100%; height: 1rem; }
.own { fill: var(--own); } .wait { fill: var(--wait); } .beside { fill: var(--beside); } .who { fill: var(--guilty); }
"""


def write_page(report: Report, path: Path) -> None:
    """Write the page. Raises SetupError if the file cannot be written."""
    try:
        path.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}; name another file with --html") from error


def page(report: Report) -> str:
    """The text of the page."""
    root = report.hops[0]
    name = _text(hop_name(root.service, root.method))
    about = (
        f"{code_name(root.code)}, {time_of_day(report.began_at)}, trace {_text(report.trace_id) or 'none'}, {', '.join(about_rows(report))}"
    )
    failed = failed_words(report)
    verdict, words = verdict_words(report)
    kind = "verdict" if report.guilty is None else "guilty"
    rows = "\n".join(_rows(report))
    notes = "".join(f"<li>{_text(note)}</li>" for note in report.notes)
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{milliseconds(report.duration)} ms {name}</title><style>{_STYLE}</style></head><body>
<h1>{milliseconds(report.duration)} ms, {name}</h1>
<p class="soft">{about}</p>
{f'<p class="guilty">FAILED: {_text(failed)}</p>' if failed else ""}
{f'<p class="{kind}">{verdict}: {_text(words)}</p>' if verdict else ""}
<div class="table"><table>
<thead><tr><th>hop</th><th>on the path</th><th class="n">ms</th><th class="n">%</th><th class="n">usual</th>
<th>0 to {milliseconds(report.duration)} ms</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>
<ul class="soft">{notes}</ul>
</body></html>
"""


def _rows(report: Report) -> Iterator[str]:
    marked = report.marked
    for row in folded(report, _MOST):
        if isinstance(row, Fold):
            name = f"{row.count:,} more" + (f", all {hop_name(row.service, row.method)}" if row.service else "")
            figures = f'<td class="n">{milliseconds(row.took)}</td><td class="n">{share(row.took, report)}</td>'
            yield f'<tr><td{_indent(row.depth)}>{_text(name)}</td><td></td>{figures}<td class="n"></td><td></td></tr>'
            continue
        for number, part in enumerate(row.hop.parts):
            here = marked is not None and marked[1] is part
            yield _part(report, part, _named(row) if number == 0 else "<td></td>", here=here)
        if row.hop.notes:
            notes = "; ".join(_text(note) for note in row.hop.notes[:10])
            yield f'<tr><td class="note" colspan="6"{_indent(row.depth + 1)}>{notes}</td></tr>'


def _named(row: Shown) -> str:
    hop = row.hop
    label = hop_name(hop.service, hop.method)
    label += f" #{hop.attempts}" if hop.attempts > 1 else ""
    label += f" {code_name(hop.code)}" if hop.code and row.index else ""
    return f'<td{_indent(row.depth)} title="{_text(f"{hop.service} {hop.method}")}">{_text(label)}</td>'


def _part(report: Report, part: Part, name: str, *, here: bool) -> str:
    guilty = here and report.guilty is not None
    kind = "who" if guilty else "beside" if not part.on_path else "wait" if part.phase in WAITING else "own"
    of_all = share(part.took, report) if part.on_path else ""
    usual = milliseconds(part.usual) if part.usual else ""
    path = f'<path class="{kind}" d="{_drawn(part.spans, report.duration)}"/>'
    bar = f'<svg viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none">{path}</svg>'
    phase = _text(part.phase) + (" &larr;" if here else "")
    figures = f'<td class="n">{milliseconds(part.took)}</td><td class="n">{of_all}</td><td class="n">{usual}</td>'
    return f'<tr>{name}<td{" class=guilty" if guilty else ""}>{phase}</td>{figures}<td class="bar">{bar}</td></tr>'


def _drawn(spans: Sequence[tuple[int, int]], duration: int) -> str:
    """The outline of a bar. Spans that nobody could tell apart are drawn as one."""
    near = duration / (_WIDTH * 2 if len(spans) <= _MANY_SPANS else _MANY_SPANS)
    merged = list[tuple[int, int]]()
    for start, end in spans:
        if merged and start - merged[-1][1] <= near:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    scale = _WIDTH / max(1, duration)
    return "".join(f"M{start * scale:.1f} 0h{max(1.0, (end - start) * scale):.1f}v10H{start * scale:.1f}z" for start, end in merged)


def _indent(depth: int) -> str:
    return f' style="padding-left:{0.5 + min(depth, 12) * 1.1:.1f}rem"'


def _text(text: str) -> str:
    return escape(shortened(printable(text), 300))
