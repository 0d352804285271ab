"""`python -m bench`: measure every peer in interleaved rounds, print ratios and bars, keep the raw figures.

Exit status: 0; 1 if towpath itself could not be measured, or if `--enforce` was given and a bar was missed; 2 for a wrong argument;
130 for Ctrl-C. A peer that fails is a row of the table, not the end of the run.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.console import Console

from bench.measuring.machine import facts
from bench.peers import BARE, PEERS, STACK, chosen
from bench.places import RESULTS
from bench.processes.children import cores
from bench.reporting.bars import Bar, bars
from bench.reporting.figures import Figures
from bench.reporting.plot import draw
from bench.reporting.report import print_report
from bench.run import Plan, run


def main() -> int:
    """Parse, run, report; returns the exit status."""
    options = _parsed()
    plan = Plan(
        peers=options.only,
        rounds=1 if options.quick else options.rounds,
        seconds=1.0 if options.quick else options.seconds,
        imports=3 if options.quick else 7,
    )
    console = Console(highlight=False)
    server, client = cores()
    placed = f"server on core {server}, client on core {client}" if server is not None else "fewer than two cores: nothing is pinned"
    console.print(
        f"{len(plan.peers)} peers, {plan.rounds} interleaved rounds, windows of {plan.seconds:g} s at 1 and 64 in flight; {placed}"
    )
    machine = facts()
    try:
        figures = asyncio.run(run(plan, console))
    except KeyboardInterrupt:
        console.print("stopped; nothing was kept")
        return 130
    checked = bars({each.name: each for each in figures})
    print_report(console, figures, checked)
    folder = _keep(figures, checked, machine, plan)
    console.print(f"raw figures and plot: {folder}", soft_wrap=True)
    failed = any(each.failure for each in figures if each.name in (BARE, STACK))
    missed = options.enforce and any(bar.status == "missed" for bar in checked)
    return 1 if failed or missed else 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="towpath and its peers side by side")
    parser.add_argument("--rounds", type=_rounds, default=3, help="rounds over all peers, 1-20 (default: 3)")
    parser.add_argument("--seconds", type=_seconds, default=3.0, help="length of each window, 0.1-60 (default: 3)")
    parser.add_argument("--only", type=_peers, default=PEERS, metavar="NAME,...", help=f"of {', '.join(peer.short for peer in PEERS)}")
    parser.add_argument("--quick", action="store_true", help="one round, windows of one second: to see that it works, not to quote")
    parser.add_argument("--enforce", action="store_true", help="exit with 1 if a bar is missed")
    return parser.parse_args()


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number within 1-20")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds within 0.1-60")
    return value


def _peers(text: str) -> object:
    try:
        return chosen(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _keep(figures: Sequence[Figures], checked: Sequence[Bar], machine: dict[str, object], plan: Plan) -> Path:
    now = datetime.now().astimezone()
    folder = RESULTS / now.strftime("%Y-%m-%dT%H-%M-%S")
    folder.mkdir(parents=True, exist_ok=True)
    raw = {
        "when": now.isoformat(timespec="seconds"),
        "machine": machine,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "bars": [{**asdict(bar), "status": bar.status} for bar in checked],
        "peers": [each.to_json() for each in figures],
    }
    (folder / "figures.json").write_text(json.dumps(raw, indent=1) + "\n")
    draw(figures, folder / "plot.png")
    return folder


if __name__ == "__main__":
    sys.exit(main())
