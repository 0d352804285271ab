"""Every rule on a graph, in one order: faults that never work first, chains that are merely long and notes last."""

from dataclasses import dataclass
from typing import Final

from towpath._contracts.graph.chains import find_amplification, find_deep_chains
from towpath._contracts.graph.cycles import find_cycles
from towpath._contracts.graph.edges import (
    find_criticality_inversions,
    find_deadline_inversions,
    find_integer_keys,
    find_lost_keys,
    find_shared_data,
    find_undeclared_calls,
    find_unsafe_repeats,
)
from towpath._contracts.graph.model import Finding, Graph
from towpath._core.errors import SetupError

RULES: Final = (
    "cycle",
    "service-cycle",
    "deadline-inversion",
    "retry-amplification",
    "criticality-inversion",
    "unsafe-repeat",
    "keys-lost",
    "two-owners",
    "undeclared-call",
    "depth",
    "integer-keys",
)
"""The names that a waiver may have."""


@dataclass(frozen=True, kw_only=True)
class GraphLimits:
    """The bounds of a chain. Raises SetupError for less than 1."""

    depth: int = 5
    """Calls that may wait for each other."""
    attempts: int = 9
    """Attempts that one request may become at the end of a chain; the default is two hops that retry as they do by default."""

    def __post_init__(self) -> None:
        for name in ("depth", "attempts"):
            if getattr(self, name) < 1:
                raise SetupError(f"{name} is {getattr(self, name)}; give 1 or more")


def check(graph: Graph, limits: GraphLimits | None = None) -> tuple[Finding, ...]:
    """The faults of `graph`; empty if there are none. The same graph has the same findings in the same order."""
    limits = limits or GraphLimits()
    return (
        *find_cycles(graph),
        *find_deadline_inversions(graph),
        *find_amplification(graph, limits.attempts),
        *find_criticality_inversions(graph),
        *find_unsafe_repeats(graph),
        *find_lost_keys(graph),
        *find_shared_data(graph),
        *find_undeclared_calls(graph),
        *find_deep_chains(graph, limits.depth),
        *find_integer_keys(graph),
    )
