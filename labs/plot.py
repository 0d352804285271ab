"""The picture of a report: its panels side by side. The only module here that needs matplotlib."""

from pathlib import Path

from matplotlib.figure import Figure

from labs.report import Report

_COLUMNS = 2
_SIZE = (7, 4.2)


def draw(report: Report, path: Path) -> None:
    """Write a PNG to `path`."""
    columns = min(_COLUMNS, len(report.panels))
    rows = -(-len(report.panels) // columns)
    # pyplot would look for a screen.
    figure = Figure(figsize=(_SIZE[0] * columns, _SIZE[1] * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).flat
    for panel, axes in zip(report.panels, places, strict=False):
        for series in panel.series:
            axes.plot(series.x, series.y, label=series.name, marker="." if len(series.x) <= 40 else None)
        for name, (begin, end) in panel.spans.items():
            axes.axvspan(begin, end, alpha=0.15, color="gray", label=name)
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        axes.set_xscale("log" if panel.log_x else "linear")
        axes.set_yscale("log" if panel.log_y else "linear")
        axes.grid(alpha=0.3)
        axes.legend()
    for axes in list(places):
        axes.set_axis_off()
    figure.savefig(path, dpi=110)
