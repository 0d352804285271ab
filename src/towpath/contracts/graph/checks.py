"""Every rule on a graph, in one order: what never works first, what is merely long last."""

from dataclasses import dataclass
from typing import Final

from towpath.contracts.graph.chains import find_amplification, find_deep_chains
from towpath.contracts.graph.cycles import find_cycles
from towpath.contracts.graph.edges import (
    find_criticality_inversions,
    find_deadline_inversions,
    find_shared_data,
    find_undeclared_calls,
    find_unsafe_repeats,
)
from towpath.contracts.graph.model import Finding, Graph
from towpath.core.errors import SetupError

RULES: Final = (
    "cycle",
    "service-cycle",
    "deadline-inversion",
    "retry-amplification",
    "criticality-inversion",
    "unsafe-repeat",
    "two-owners",
    "undeclared-call",
    "depth",
)
"""What a waiver may name."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is still in order: `depth` calls that wait for each other (default 5), and `attempts` that one request may become at the end
    of a chain (default 9: two hops that retry as they do by default). Raises SetupError for less than 1."""

    depth: int = 5
    attempts: int = 9

    def __post_init__(self) -> None:
        for name in ("depth", "attempts"):
            if getattr(self, name) < 1:
                raise SetupError(f"{name} is {getattr(self, name)}; give 1 or more")


def check(graph: Graph, limits: Limits | None = None) -> tuple[Finding, ...]:
    """What is wrong with `graph`; empty if nothing is. The same graph has the same findings in the same order."""
    limits = limits or Limits()
    return (
        *find_cycles(graph),
        *find_deadline_inversions(graph),
        *find_amplification(graph, limits.attempts),
        *find_criticality_inversions(graph),
        *find_unsafe_repeats(graph),
        *find_shared_data(graph),
        *find_undeclared_calls(graph),
        *find_deep_chains(graph, limits.depth),
    )
