"""`python -m labs`: run experiments, print their findings, and write report, figures and plot.

The exit status is 0 if all findings hold, 1 if one does not, 2 for a wrong argument, and 130 for Ctrl-C.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from labs.plot import draw
from labs.report import Report
from labs.writing import PLOT, verdict, write

EXPERIMENTS = Path(__file__).parent / "experiments"
RESULTS = Path(__file__).parent / "results"


def names() -> list[str]:
    """The names of all experiments."""
    return sorted(path.stem for path in EXPERIMENTS.iterdir() if not path.name.startswith(("_", ".")))


def main() -> int:
    """Parse the arguments, run the experiments, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labs", description="engineering questions, answered by experiment")
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(names())} (default: all)")
    parser.add_argument("--seeds", type=_seeds, default=100, help="how often to repeat each simulation, 1-1000 (default: 100)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where reports go (default: labs/results)")
    options = parser.parse_args()
    unknown = set(options.only) - set(names())
    if unknown:
        parser.error(f"no experiment is called {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    console = Console(highlight=False)
    holds = True
    try:
        for name in options.only or names():
            began = time.perf_counter()
            report: Report = importlib.import_module(f"labs.experiments.{name}").experiment(options.seeds)
            folder = options.out / name
            write(report, folder)
            draw(report, folder / PLOT)
            console.print(_table(report))
            console.print(f"{time.perf_counter() - began:.0f} s; report, figures and plot: {folder}\n", soft_wrap=True)
            holds = holds and report.holds
    except KeyboardInterrupt:
        console.print("stopped; what was finished is kept")
        return 130
    return 0 if holds else 1


def _table(report: Report) -> Table:
    table = Table(title=f"{report.title}\n{report.question}", title_justify="left", box=box.SIMPLE, pad_edge=False)
    for heading in ("", "expected", "measured", ""):
        table.add_column(heading)
    for each in report.findings:
        table.add_row(each.what, each.expected, each.measured, f"[{'green' if each.holds else 'bold red'}]{verdict(each)}[/]")
    return table


def _seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number within 1-1000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
