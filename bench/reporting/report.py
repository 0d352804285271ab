"""The report on the terminal: ratios and bars, and no absolute rates, which would only say how fast this machine was today."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measuring.neighbours import TOLERATED
from bench.peers import BARE
from bench.reporting.bars import Bar, ratios
from bench.reporting.figures import Figures

_STYLES = {"met": "green", "missed": "bold red", "not measured": "yellow"}


def baseline_of(figures: Sequence[Figures]) -> Figures:
    """What the table's ratios are relative to: towpath bare, or, in a run without it, the first peer that was measured."""
    unary = [each for each in figures if each.unary]
    bare = next((each for each in unary if each.name == BARE and each.measured), None)
    return bare or next((each for each in unary if each.measured), unary[0])


def ratio_table(figures: Sequence[Figures]) -> Table:
    """A row for each peer, best throughput first, those without figures last with their reason."""
    baseline = baseline_of(figures)
    table = Table(
        title=f"Each peer relative to {baseline.name}", title_justify="left", caption_justify="left", box=box.SIMPLE, pad_edge=False
    )
    table.caption = (
        f"inverse: {baseline.name}'s calls/s as a multiple of the peer's. spread: (highest - lowest) / median calls/s of the rounds."
    )
    table.add_column("peer", no_wrap=True)
    for heading in ("calls/s\nat 64", "inverse", "p50\nat 1", "p99\nat 64", "idle\nmemory", "import", "spread"):
        table.add_column(heading, justify="right", no_wrap=True)
    unary = [each for each in figures if each.unary]
    for each in sorted(unary, key=lambda each: each.throughput(64) if each.measured else 0, reverse=True):
        ratio = ratios(each, baseline)
        if each.measured:
            first = (_times(ratio.throughput), _times(ratio.advantage), _times(ratio.p50_at_1), _times(ratio.p99_at_64))
            table.add_row(each.name, *first, _times(ratio.idle_bytes), _times(ratio.import_seconds), _spread(each))
        else:
            table.add_row(each.name, "absent" if each.absent else "failed")
    return table


def bar_table(bars: Sequence[Bar]) -> Table:
    """A row for each bar: measured, wanted, met or missed."""
    table = Table(title="Bars", title_justify="left", box=box.SIMPLE, pad_edge=False)
    table.add_column("bar")
    for heading in ("measured", "bound", "aim", ""):
        table.add_column(heading, justify="right")
    for bar in bars:
        sign = "<=" if bar.at_most else ">="
        aim = "" if bar.aim is None else f"{bar.aim:g}{bar.unit}"
        status = f"[{_STYLES[bar.status]}]{bar.status}[/]"
        table.add_row(bar.name, _amount(bar.measured, bar.unit), f"{sign} {bar.bound:g}{bar.unit}", aim, status)
    return table


def print_report(console: Console, figures: Sequence[Figures], bars: Sequence[Bar]) -> None:
    """Tables, then every reason for a missing figure in full."""
    if any(each.unary for each in figures):
        console.print(ratio_table(figures))
    console.print(bar_table(bars))
    disturbed = max((each.others() or 0.0 for each in figures), default=0.0)
    if disturbed > TOLERATED:
        console.print(
            f"[bold yellow]Disturbed:[/] in one round, {disturbed:.0%} of the two cores' time went to other programs. "
            "Do not quote these figures; measure again when the machine is quiet."
        )
    for each in figures:
        if each.failure:
            console.print(f"{each.name}: {'absent' if each.absent else 'failed'}: {each.failure}", markup=False, highlight=False)
        for note in each.notes:
            console.print(f"{each.name}: {note}", markup=False, highlight=False)


def _spread(each: Figures) -> str:
    return f"{each.spread(64):.0%}" if len(each.rounds) > 1 else "-"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def _amount(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f}{unit}"
