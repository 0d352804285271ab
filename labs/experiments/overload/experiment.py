"""The experiment: its loads, its findings and its report."""

import asyncio
from collections.abc import Callable, Sequence
from math import isfinite
from statistics import median
from typing import Final

from labs.experiments.overload.load import CLOSED, TIMEOUT
from labs.experiments.overload.measuring import SECONDS, Load, Run, run
from labs.experiments.overload.serve import KINDS
from labs.report import Claim, Finding, Panel, Report, Series

STEPS: Final = (1.0, 2.0, 3.0, 5.0, 10.0)
"""Loads at which a server has to keep its goodput, as multiples of its capacity."""

LOADS: Final = (0.5, *STEPS, 20.0, 0.5)
"""All loads, in order. One follows the other without a pause."""

ROUNDS: Final = 3
"""Runs of each server, in turns. Each figure is the median of them, since the speed of a shared machine varies."""

_TOWPATH: Final = "towpath"


def experiment(_: int) -> Report:
    """Run the servers as real processes. The number of seeds has no effect."""
    runs: dict[str, list[Run]] = {kind: [] for kind in KINDS}
    for _round in range(ROUNDS):
        for kind in KINDS:
            runs[kind].append(asyncio.run(run(kind, LOADS)))
    return Report(
        title="Overload",
        question="How much useful work does a server do that is asked for up to twenty times what it can do, and how soon is it done?",
        claim=Claim(
            text="A backend provisioned for a certain rate should go on serving at that rate without much latency however much excess "
            "load is thrown at it; a server without load shedding ends in doing nothing that is of use to anybody.",
            source='Google, "Site Reliability Engineering", chapter 21, "Handling Overload", 2016',
        ),
        setup=f"A handler that computes for 1 ms of a processor's time. Server and generator are processes with a core each, on 127.0.0.1. "
        f"Capacity is measured with {CLOSED} calls in flight; then calls come at random (Poisson) at multiples of it, {SECONDS:g} s each, "
        f"with a timeout of {TIMEOUT:g} s and neither retries nor throttle. Goodput is what is answered well in time. Latencies are "
        f"without the first third of each load, in which a server finds out. Each figure is the median of {ROUNDS} runs.",
        findings=[*bars(runs[_TOWPATH]), *(_beside(kind, given) for kind, given in runs.items() if kind != _TOWPATH)],
        panels=[
            Panel(
                title="Goodput",
                x_label="offered, capacity = 1",
                y_label="answered well in time, peak = 1",
                series=[_series(kind, given, lambda run, load: load.goodput / run.peak) for kind, given in runs.items()],
                log_x=True,
            ),
            Panel(
                title="Latency of what is answered well, p99",
                x_label="offered, capacity = 1",
                y_label="ms",
                series=[_series(kind, given, lambda _, load: load.p99 * 1e3) for kind, given in runs.items()],
                log_x=True,
                log_y=True,
            ),
        ],
        figures={kind: [[_figures(run, index) for index in range(len(run.loads))] for run in given] for kind, given in runs.items()},
    )


def _series(kind: str, runs: Sequence[Run], figure: Callable[[Run, Load], float]) -> Series:
    steps = LOADS[:-1]  # the last is the recovery
    return Series(name=kind, x=list(steps), y=[median(figure(run, run.at(times)) for run in runs) for times in steps])


def bars(runs: Sequence[Run]) -> list[Finding]:
    """What is demanded of an overloaded server, each with the median of what the runs measured."""
    goodput = {times: median(run.at(times).goodput / run.peak for run in runs) for times in STEPS}
    latency = {times: median(run.at(times).p99 / run.at(0.5).p99 for run in runs) for times in STEPS}
    full = 1.0  # no call is in excess there: a call that fits its timeout waits, and is not rejected
    over = [times for times in STEPS if times > full]
    worst, slowest = min(goodput, key=goodput.__getitem__), max(over, key=latency.__getitem__)
    kept = median(run.at(full).goodput / min(run.at(full).offered, run.peak) for run in runs)
    rejection = median(run.rejection for run in runs) * 1e6
    recoveries = [run.loads[-1] for run in runs]
    answered = median(load.answered for load in recoveries)
    settled = median(load.settled for load in recoveries)
    return [
        Finding(
            what=f"goodput at {worst:g}x, the least of {_listed(STEPS)}",
            expected=">= 0.9 of its peak",
            measured=f"{goodput[worst]:.2f}",
            holds=goodput[worst] >= 0.9,
        ),
        Finding(
            what=f"p99 at {slowest:g}x, the most of {_listed(over)}",
            expected="<= 2 times that at half load",
            measured=f"{latency[slowest]:.2f}",
            holds=latency[slowest] <= 2,
        ),
        Finding(what="processor time of a rejection", expected="<= 15 us", measured=f"{rejection:.1f} us", holds=rejection <= 15),
        Finding(
            what=f"answered at {full:g}x of what is possible, with a p99 of {latency[full]:.1f} times that at half load",
            expected=">= 0.95",
            measured=f"{kept:.3f}",
            holds=kept >= 0.95,
        ),
        Finding(what="at 0.5x after 20x", expected=">= 0.97 answered", measured=f"{answered:.3f}", holds=answered >= 0.97),
        Finding(what="until it is so again, after 20x", expected="<= 1 s", measured=f"{settled:.2f} s", holds=settled <= 1),
    ]


def _beside(kind: str, runs: Sequence[Run]) -> Finding:
    share = median(run.at(10.0).goodput / run.peak for run in runs)
    return Finding(
        what=f"{kind} at 10x",
        expected="< 0.9 of its peak, for it sheds nothing",
        measured=f"{share:.2f}",
        holds=share < 0.9,
    )


def _figures(run: Run, index: int) -> dict[str, float | None]:
    load = run.loads[index]
    return {
        "times": load.times,
        "goodput_of_peak": round(load.goodput / run.peak, 3),
        "p50_of_half_load": _rounded(load.p50 / run.at(0.5).p50),
        "p99_of_half_load": _rounded(load.p99 / run.at(0.5).p99),
        **{f"failed_{code}": count for code, count in load.failed.items()},
    }


def _rounded(ratio: float) -> float | None:
    return round(ratio, 2) if isfinite(ratio) else None  # nothing was answered in time


def _listed(steps: Sequence[float]) -> str:
    return ", ".join(f"{step:g}x" for step in steps)
