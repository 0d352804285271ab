"""Ordinary days on which something is not as it should be, on real processes: the situations of `do_no_harm` in which timing matters.

A simulated loop is never late of itself, and a simulated process never starts slowly. So these run servers in processes of their own, once
with towpath's default stack and once without any policy, by turns.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

from bench.processes import loop
from bench.processes.children import cores, pinned
from labs.experiments.do_no_harm.experiment import TOLERANCE, Comparison
from labs.experiments.do_no_harm.load import Outcome
from labs.experiments.do_no_harm.sides import BARE, STACK, Side
from labs.experiments.ordinary_days.replica import site
from labs.experiments.ordinary_days.situations import SITUATIONS, Situation
from labs.report import Claim, Finding, Panel, Report, Series

MAX_ROUNDS: Final = 2
"""Runs of each side, by turns: what a shared machine does to one of them shows in the others."""

_SLOWER: Final = 1.2
_SLACK: Final = 0.02
"""The p99 with policies may be `_SLOWER` times the p99 without them, and `_SLACK` seconds more, which a shared machine takes by itself."""

_DEVIATIONS: Final = 2
"""Which calls a fault meets is chance: the numbers of failures on both sides may differ by so many standard deviations (of a difference of
two Poisson variables)."""


def experiment(seeds: int) -> Report:
    """Every situation, in as many rounds as there are seeds, two at most."""
    rounds = min(seeds, MAX_ROUNDS)
    found: dict[str, Comparison] = {}
    with pinned(cores()[1]):
        for name, situation in SITUATIONS.items():
            found[name] = loop.run(compare(situation, rounds))
    return Report(
        title="Ordinary days",
        question="Does what is on by default ever make an ordinary day of real processes worse than no policies at all?",
        claim=Claim(
            text="Policies against overload and faults cause outages themselves: limits reject bursts that an idle server could do, and "
            "take a pause of the process for an overload.",
            source="public fault reports of adaptive limits, breakers and retries",
        ),
        setup=f"{len(SITUATIONS)} situations on 127.0.0.1, each with the default stack on both ends and with bare servers and channels, "
        f"{rounds} rounds by turns. Servers share one core, callers have the other.",
        findings=[_finding(SITUATIONS[name], name, comparison) for name, comparison in found.items()],
        panels=[_panel(found)],
        figures={
            name: {
                "what": SITUATIONS[name].what,
                "calls": [each.stack.calls, each.bare.calls],
                "failed": [each.stack.failed, each.bare.failed],
                "p99_ms": [each.stack.p99 * 1e3, each.bare.p99 * 1e3],
            }
            for name, each in found.items()
        },
    )


async def compare(situation: Situation, rounds: int) -> Comparison:
    """Run a situation on both sides by turns, and add up what comes of the rounds."""
    stack, bare = Outcome(), Outcome()
    for seed in range(rounds):
        for side, total in ((STACK, stack), (BARE, bare)):
            _add(total, await _one(situation, side, seed))
    return Comparison(stack=stack, bare=bare)


async def _one(situation: Situation, side: Side, seed: int) -> Outcome:
    async with site(side, seed) as opened:
        return await situation.run(opened)


def _add(total: Outcome, outcome: Outcome) -> None:
    total.calls += outcome.calls
    total.failed += outcome.failed
    total.latencies += outcome.latencies


def holds(situation: Situation, each: Comparison) -> bool:
    """Whether the stack did no harm, and helped where it should."""
    chance = _DEVIATIONS * sqrt(each.stack.failed + each.bare.failed) / each.stack.calls
    harmless = each.harm <= TOLERANCE + chance and each.stack.p99 <= _SLOWER * each.bare.p99 + _SLACK
    factor = situation.fewer_failures
    return harmless and (factor is None or each.bare.failed >= factor * max(1, each.stack.failed))


def _finding(situation: Situation, name: str, each: Comparison) -> Finding:
    factor = situation.fewer_failures
    return Finding(
        what=f"{name}: {situation.what}",
        expected="no more fail" if factor is None else f"{factor:g} times fewer fail",
        measured=f"failed {each.stack.failed_share:.2%}, {each.bare.failed_share:.2%} without; "
        f"p99 {each.stack.p99 * 1e3:.0f}, {each.bare.p99 * 1e3:.0f} ms",
        holds=holds(situation, each),
    )


def _panel(found: dict[str, Comparison]) -> Panel:
    numbers: Sequence[int] = list(range(1, len(found) + 1))
    return Panel(
        title="Calls that failed",
        x_label="situation, in the order of the table",
        y_label="%",
        series=[
            Series(name="towpath", x=numbers, y=[100 * each.stack.failed_share for each in found.values()]),
            Series(name="no policies", x=numbers, y=[100 * each.bare.failed_share for each in found.values()]),
        ],
    )
