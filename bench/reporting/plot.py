"""The picture of a run: throughput at 64 in flight against each other, and the latency of each peer over all its percentiles."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.reporting.figures import Figures
from bench.reporting.report import baseline_of

_PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9)


def draw(figures: Sequence[Figures], path: Path) -> None:
    """Write a PNG of the peers that have figures to `path`."""
    measured = sorted((each for each in figures if each.measured and each.unary), key=lambda each: each.throughput(64))
    if not measured:
        return
    base = baseline_of(figures)
    figure = Figure(figsize=(13, 5), layout="constrained")  # not pyplot: it would look for a screen
    left, right = figure.subplots(1, 2)
    shares = [each.throughput(64) / base.throughput(64) for each in measured]
    bars = left.barh([each.name for each in measured], shares)
    left.bar_label(bars, [f"{share:.2f}" for share in shares], padding=3)
    left.set_xlabel(f"throughput at 64 in flight, {base.name} = 1")
    left.margins(x=0.12)
    for each in reversed(measured):
        merged = each.merged(64)
        right.plot(range(len(_PERCENTILES)), [merged.percentile(percent) / 1e3 for percent in _PERCENTILES], marker=".", label=each.name)
    right.set_xticks(range(len(_PERCENTILES)), [f"p{percent:g}" for percent in _PERCENTILES])
    right.set_yscale("log")
    right.set_ylabel("latency at 64 in flight, microseconds")
    right.grid(alpha=0.3)
    right.legend()
    figure.savefig(path, dpi=120)
