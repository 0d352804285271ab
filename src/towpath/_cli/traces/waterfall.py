"""One trace as text: which hop is guilty, and a waterfall of the hops with their phases.

The words are the same on any terminal. Bars are drawn where there is room for them, with blocks where the output can have such characters.
Names are others' words, and what could steer a terminal is shown as an escape.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from towpath._cli import screen
from towpath._core.disclosure.printable import printable, shortened
from towpath._telemetry.traces.critical_path import Phase
from towpath._telemetry.traces.folding import Fold, Shown, folded
from towpath._telemetry.traces.report import Hop, Part, Report, code_name

WIDE: Final = 120
"""Columns for what is no terminal."""
_FIGURES: Final = 22
"""Columns of ms, % and usual, with the spaces before them."""
_MARK: Final = 4
"""Columns of the arrow behind the phase that the second line names."""
_FEWEST_BAR: Final = 16
_DEEPEST: Final = 6
"""Levels that are indented; a deeper hop stands where this one does."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
WAITING: Final = frozenset({Phase.QUEUE, Phase.LOOP_DELAY, Phase.BACK_OFF, Phase.HEDGE, Phase.CONNECTION, Phase.CLIENT, Phase.LAYERS})
"""Phases in which a call got nowhere, which have another kind of bar."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the output can show."""

    columns: int = WIDE
    colour: bool = False
    blocks: bool = True
    """Whether it has the characters of blocks; otherwise bars are of ASCII."""


def waterfall(report: Report, style: Style) -> str:
    """The text of a report, no line of it longer than the columns, unless a single name is."""
    lines = [*_head(report, style), ""]
    rows = folded(report)
    bars = _Bars(report, style, rows)
    lines += bars.title()
    for row in rows:
        lines += bars.hop(row) if isinstance(row, Shown) else bars.fold(row)
    for note in report.notes:
        lines += screen.wrapped(f"* {printable(note)}", style.columns, then="  ")
    return "\n".join(line.rstrip() for line in lines)


def milliseconds(microseconds: float) -> str:
    """Such as 31.3; with two digits after the point below one."""
    return f"{microseconds / 1000:.2f}" if 0 < abs(microseconds) < 995 else f"{microseconds / 1000:,.1f}"


def hop_name(service: str, method: str) -> str:
    """Such as `cart Cart/Get`: the package of a method says nothing that a line has room for."""
    path, slash, name = method.rpartition("/")
    if path.replace(".", "").replace("_", "").isalnum():  # else it is a name of another system's, such as GET /v1.0/items
        path = path.rpartition(".")[2]
    return shortened(printable(f"{service} {path}{slash}{name}".strip()), 60)


def time_of_day(seconds: float) -> str:
    """The local time, or what stands for one that no clock says."""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "no time"


def _head(report: Report, style: Style) -> Iterator[str]:
    root = report.hops[0]
    name = hop_name(root.service, root.method)
    text = (
        f"{milliseconds(report.duration)} ms  {name}  {code_name(root.code)}  {time_of_day(report.began_at)}  "
        f"trace {printable(report.trace_id) or 'none'}  {'  '.join(about_rows(report))}"
    )
    yield from screen.wrapped(text, style.columns, then="  ")
    failed = failed_words(report)
    if failed:
        first, *more = screen.wrapped(f"FAILED  {failed}", style.columns, then="        ")
        yield screen.painted("FAILED", screen.RED, colour=style.colour) + first.removeprefix("FAILED")
        yield from more
    verdict, words = verdict_words(report)
    if verdict:
        first, *more = screen.wrapped(f"{verdict}  {words}", style.columns, then="        ")
        code = screen.BOLD if report.guilty is None else screen.RED
        yield screen.painted(verdict, code, colour=style.colour) + first.removeprefix(verdict)
        yield from more


def about_rows(report: Report) -> list[str]:
    """Whether the trace is kept and sampled, and how many hops answered; of another system's spans, how many hops there are."""
    hops = len(report.hops)
    if report.foreign:
        return [f"{hops:,} {'hop' if hops == 1 else 'hops'}"]
    kept, sampled = "kept" if report.kept else "not kept", "sampled" if report.sampled else "not sampled"
    return [f"{kept}, {sampled}", f"{report.answered} of {hops} hops answered"]


def failed_words(report: Report) -> str:
    """From which hop the status of a failed trace came; nothing of a trace that did not fail."""
    if report.failed is None:
        return ""
    hop = report.hops[report.failed]
    return f"{code_name(hop.code)} came from {hop_name(hop.service, hop.method)}"


def verdict_words(report: Report) -> tuple[str, str]:
    """`GUILTY`, or what there is instead: `SLOWER` if many phases took somewhat longer than usual, `AS USUAL` if none did, `LONGEST` if
    there is nothing to compare with. And which hop is to be looked at, in which phase, and what is usual there. Both are empty for a trace
    that took no time."""
    found = report.marked
    if found is None:
        return "", ""
    index, part = found
    hop = report.hops[index]
    took = f"{milliseconds(part.took)} ms ({share(part.took, report)} %)"
    words = f"{hop_name(hop.service, hop.method)}: {part.phase} {took}; {_usual_words(part, report)}"
    if report.guilty is not None:
        return "GUILTY", words
    if report.is_slower:
        return "SLOWER", f"{milliseconds(report.excess)} ms more than usual, over many phases. The most is in {words}"
    return ("AS USUAL", f"no phase took much longer than usual. The longest is {words}") if report.compared else ("LONGEST", words)


def _usual_words(part: Part, report: Report) -> str:
    if part.usual is None:
        return "no other trace of this method to compare with"
    traces = f"{report.compared} other {'trace' if report.compared == 1 else 'traces'}"
    if not part.usual:
        return f"usual here none, by the median of {traces}"
    return f"usual here {milliseconds(part.usual)} ms, the median of {traces}"


def share(microseconds: float, report: Report) -> str:
    """Per cent of the trace."""
    return f"{microseconds / max(1, report.duration) * 100:.0f}"


def _together(hop: Hop, marked: tuple[int, Part] | None, duration: int) -> list[Part]:
    """The parts of a hop, with one in place of several that took less than a hundredth of the trace each."""
    small = [part for part in hop.parts if part.on_path and part.took * 100 < duration and (marked is None or part is not marked[1])]
    if len(small) < 2:
        return hop.parts
    spans = sorted(span for part in small for span in part.spans)
    usual = [part.usual for part in small if part.usual is not None]
    merged = Part(f"{len(small)} phases", spans, sum(usual) if usual else None)
    return [*(part for part in hop.parts if part not in small), merged]


class _Bars:
    """The table of hops."""

    def __init__(self, report: Report, style: Style, rows: list[Shown | Fold]) -> None:
        self._report = report
        self._style = style
        self._marked = report.marked
        self._is_guilty = report.guilty is not None
        longest = max(len(self._label(row)) for row in rows if isinstance(row, Shown))
        phases = [part.phase if part.on_path else f"({part.phase})" for row in rows if isinstance(row, Shown) for part in row.hop.parts]
        self._phase = max(len("on the path"), *map(len, phases), 0)
        room = style.columns - self._phase - _FIGURES - 2
        self._narrow = room - _MARK < min(longest, 24)
        self._name = max(12, min(longest, room - _MARK, max(24, room // 2)))
        self._bar = 0 if self._narrow else room - self._name - _MARK - 4
        if self._bar < _FEWEST_BAR:
            self._bar = 0

    def title(self) -> Iterator[str]:
        if self._narrow:
            yield "hop, on the path, ms, %, usual"
            return
        line = f"{'hop':<{self._name}}  {'on the path':<{self._phase}}{'ms':>9}{'%':>5}{'usual':>8}"
        if self._bar:
            end = f"{milliseconds(self._report.duration)} ms"
            line += f"  0{end:>{self._bar}}"
        yield screen.painted(line, screen.BOLD, colour=self._style.colour)

    def hop(self, row: Shown) -> Iterator[str]:
        hop = row.hop
        label = self._label(row)
        notes = "; ".join(printable(note) for note in hop.notes[:3])
        if len(hop.notes) > 3:
            notes += f"; {len(hop.notes) - 3} more"
        if self._narrow:
            yield from screen.wrapped(label, self._style.columns, then="  " * min(row.depth, _DEEPEST) + "  ")
        elif len(label) > self._name:
            yield label
            label = ""
        for number, part in enumerate(_together(hop, self._marked, self._report.duration)):
            here = self._marked is not None and self._marked[1] is part
            yield from self._part(label if number == 0 else "", part, row, here=here)
        if notes:
            indent = "  " * min(row.depth, _DEEPEST) + "  "
            yield from screen.wrapped(notes, self._style.columns, indent=indent, then=indent)

    def fold(self, row: Fold) -> Iterator[str]:
        took = f"{milliseconds(row.took)} ms ({share(row.took, self._report)} %)"
        if row.service and row.count > 1:
            text = f"... x {row.count:,} like this: {hop_name(row.service, row.method)}, {took}"
        else:
            hops = "1 hop" if row.count == 1 else f"{row.count:,} hops"
            text = f"... {hops}, {took}" + (f", each at most {milliseconds(row.longest)} ms" if row.took and row.count > 1 else "")
        indent = "  " * min(row.depth, _DEEPEST)
        yield from screen.wrapped(text, self._style.columns, indent=indent, then=indent + "    ")

    def _part(self, label: str, part: Part, row: Shown, *, here: bool) -> Iterator[str]:
        phase = part.phase if part.on_path else f"({part.phase})"
        per_cent = share(part.took, self._report) if part.on_path else "."
        usual = milliseconds(part.usual) if part.usual else "."
        mark = "  <-" if here else ""
        guilty = here and self._is_guilty
        if self._narrow:
            figures = [f"{milliseconds(part.took)} ms", f"{per_cent} %" if part.on_path else "", f"usual {usual}" if part.usual else ""]
            text = f"{phase} {', '.join(filter(None, figures))}{mark}"
            indent = "  " * min(row.depth, _DEEPEST) + "  "
            first, *more = screen.wrapped(text, self._style.columns, indent=indent, then=indent)
            yield self._coloured(first, part, guilty=guilty)
            yield from more
            return
        figures = f"{milliseconds(part.took):>9}{per_cent:>5}{usual:>8}"
        bar = f"  |{self._drawn(part, guilty=guilty)}|" if self._bar else ""
        yield f"{label:<{self._name}}  {self._coloured(f'{phase:<{self._phase}}', part, guilty=guilty)}{figures}{bar}{mark}"

    def _label(self, row: Shown) -> str:
        hop: Hop = row.hop
        number = f" #{hop.attempts}" if hop.attempts > 1 else ""
        failed = f" {code_name(hop.code)}" if hop.code and row.index else ""
        return "  " * min(row.depth, _DEEPEST) + hop_name(hop.service, hop.method) + number + failed

    def _coloured(self, text: str, part: Part, *, guilty: bool) -> str:
        code = screen.RED if guilty else screen.YELLOW if part.phase in WAITING else screen.GREEN if part.on_path else screen.CYAN
        return screen.painted(text, code, colour=self._style.colour)

    def _drawn(self, part: Part, *, guilty: bool) -> str:
        cells = [" "] * self._bar
        scale = self._bar * 8 / max(1, self._report.duration)
        full, eighths = self._block(part, guilty=guilty)
        for start, end in part.spans:
            first, last = max(0, round(start * scale)), min(self._bar * 8, round(end * scale))
            at = min(first // 8, self._bar - 1)
            until = last // 8
            for cell in range(at, until):
                cells[cell] = full
            if until < self._bar and (last % 8 or until == at) and cells[until] == " " and last >= first:
                cells[until] = _EIGHTHS[max(1, last % 8)] if eighths else full
        return self._coloured("".join(cells), part, guilty=guilty)

    def _block(self, part: Part, *, guilty: bool) -> tuple[str, bool]:
        if not self._style.blocks:
            return ("@" if guilty else "#" if part.on_path and part.phase not in WAITING else "-" if part.on_path else "."), False
        if guilty:
            return "▓", False
        if not part.on_path:
            return "░", False
        return ("▒", False) if part.phase in WAITING else ("█", True)
