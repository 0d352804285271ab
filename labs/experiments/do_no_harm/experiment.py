"""Twenty ordinary days on which something is not as it should be, each with towpath's default stack and without any policy.

A policy that is on by default must not fail a call that would have succeeded without it, and must not repeat an effect. So each situation
counts the calls that should not notice anything, on both sides, with the same seeds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from labs.experiments.do_no_harm import callers, network, servers, stores
from labs.experiments.do_no_harm.load import Outcome
from labs.experiments.do_no_harm.sides import BARE, SIDES, STACK
from labs.experiments.do_no_harm.situation import Situation
from labs.report import Claim, Finding, Panel, Report, Series
from labs.seeds import for_each
from towpath.testing import Simulation, simulate

SITUATIONS: Final[Mapping[str, Situation]] = servers.SITUATIONS | callers.SITUATIONS | network.SITUATIONS | stores.SITUATIONS

MAX_SEEDS: Final = 20
TOLERANCE: Final = 0.001
"""The part of the calls that may fail more than without policies."""

MAX_ATTEMPTS: Final = 1.2
"""Attempts for each call that quiet clients make at a server that is away for half a minute."""

SLOWER: Final = 1.2
SLACK: Final = 0.005
"""The p99 with policies may be `SLOWER` times the p99 without them, and `SLACK` seconds more."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came of one situation with one seed, on both sides."""

    stack: Outcome
    bare: Outcome

    @property
    def harm(self) -> float:
        """The part of the calls that failed with the stack and would not have failed without it; negative where it helps."""
        return self.stack.failed_share - self.bare.failed_share


def compare(seed: int, name: str) -> Comparison:
    """Run the situation `name` on both sides."""
    situation = SITUATIONS[name]
    stack, bare = (simulate(partial(_on, situation, side.name), seed=seed) for side in (STACK, BARE))
    return Comparison(stack=stack, bare=bare)


async def _on(situation: Situation, side: str, run: Simulation) -> Outcome:
    return await situation.run(run, SIDES[side])


def all_situations(seed: int) -> dict[str, Comparison]:
    """Every situation with one seed."""
    return {name: compare(seed, name) for name in SITUATIONS}


def experiment(seeds: int) -> Report:
    """Every situation with each seed up to the twentieth."""
    seeds = min(seeds, MAX_SEEDS)
    runs = for_each(seeds, all_situations)
    by_name = {name: [run[name] for run in runs] for name in SITUATIONS}
    return Report(
        title="Do no harm",
        question="Does what is on by default ever make an ordinary day worse than no policies at all?",
        claim=Claim(
            text="Policies against overload and faults cause outages themselves: retries double effects, breakers spread the fault of one "
            "method, limits reject bursts that an idle server could do.",
            source='M. Brooker, "Fixing retries with token buckets and circuit breakers", 2022, and public fault reports of Envoy, '
            "go-zero, Kratos and gRPC",
        ),
        setup=f"{len(SITUATIONS)} situations, each with the default stack on both ends and with bare servers and channels. Only calls "
        f"count that should not notice anything. Simulated, {seeds} seeds; of failures the worst seed, of latencies the median of all.",
        findings=[_finding(name, comparisons) for name, comparisons in by_name.items()],
        panels=[_panel(by_name)],
        figures={
            name: {
                "what": SITUATIONS[name].what,
                "counted": SITUATIONS[name].counted,
                "failed": [[each.stack.failed_share, each.bare.failed_share] for each in comparisons],
                "p99_ms": [[each.stack.p99 * 1e3, each.bare.p99 * 1e3] for each in comparisons],
                "effects_twice": [[each.stack.doubled, each.bare.doubled] for each in comparisons],
                "failures_that_do_not_count": [[each.stack.aside, each.bare.aside] for each in comparisons],
            }
            for name, comparisons in by_name.items()
        },
    )


def holds(situation: Situation, comparisons: list[Comparison]) -> bool:
    """Whether the stack did no harm with any seed, and helped where it should."""
    harmless = all(
        each.harm <= TOLERANCE
        and each.stack.p99 <= SLOWER * each.bare.p99 + SLACK
        and not each.stack.doubled
        and each.stack.attempts <= MAX_ATTEMPTS
        for each in comparisons
    )
    factor = situation.fewer_failures
    return harmless and (factor is None or all(each.bare.failed >= factor * max(1, each.stack.failed) for each in comparisons))


def _finding(name: str, comparisons: list[Comparison]) -> Finding:
    situation = SITUATIONS[name]
    worst = max(comparisons, key=lambda each: each.harm)
    p99, bare_p99 = (median(values) * 1e3 for values in zip(*((each.stack.p99, each.bare.p99) for each in comparisons), strict=True))
    doubled, bare_doubled = (sum(values) for values in zip(*((each.stack.doubled, each.bare.doubled) for each in comparisons), strict=True))
    expected = "no more fail" if situation.fewer_failures is None else f"{situation.fewer_failures:g} times fewer fail"
    effects = f"; effects twice {doubled}, {bare_doubled}" if doubled or bare_doubled else ""
    attempts = max(each.stack.attempts for each in comparisons)
    tries = f"; {attempts:.2f} attempts a call" if attempts != 1 else ""
    aside, bare_aside = (sum(values) for values in zip(*((each.stack.aside, each.bare.aside) for each in comparisons), strict=True))
    others = f"; failures that do not count {aside}, {bare_aside}" if aside or bare_aside else ""
    return Finding(
        what=f"{name}: {situation.what}",
        expected=expected,
        measured=f"failed {worst.stack.failed_share:.2%}, {worst.bare.failed_share:.2%} without; "
        f"p99 {p99:.0f}, {bare_p99:.0f} ms{effects}{tries}{others}",
        holds=holds(situation, comparisons),
    )


def _panel(by_name: Mapping[str, list[Comparison]]) -> Panel:
    numbers = list(range(1, len(by_name) + 1))
    return Panel(
        title="Calls that failed, the worst seed of each situation",
        x_label="situation, in the order of the table",
        y_label="%",
        series=[
            Series(name=side, x=numbers, y=[100 * max(getattr(each, field).failed_share for each in found) for found in by_name.values()])
            for side, field in (("towpath", "stack"), ("no policies", "bare"))
        ],
    )
