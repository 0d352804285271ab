"""Chains of calls, one waiting for the next: how long they get, and how many attempts at their end one request can become.

Both checks look for the heaviest way from each entry of the system, a step without callers. Another check reports cycles, and the calls on
one are left out here: around a cycle every way is endless.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from towpath._contracts.graph.cycles import components, method_edges
from towpath._contracts.graph.model import Call, Finding, Graph, Severity, Step


@dataclass(frozen=True)
class Chain:
    """Calls, each made by the callee of the one before, and their weight."""

    weight: int
    calls: tuple[Call, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """The steps, in words."""
        return (str(self.calls[0].caller), *(str(call.callee) for call in self.calls))

    @property
    def where(self) -> tuple[str, ...]:
        """The entries that declare the calls."""
        return tuple(dict.fromkeys(call.where for call in self.calls))


def find_deep_chains(graph: Graph, depth: int) -> Iterator[Finding]:
    """Entries from which a chain of more than `depth` calls leads."""
    for chain in _heaviest(graph, lambda _, rest: 1 + rest, nothing=0):
        if chain.weight > depth:
            yield Finding(
                rule="depth",
                severity=Severity.WARNING,
                path=chain.path,
                message=f"{chain.weight} calls wait for each other, more than {depth}: the latency and the faults of all of them add up",
                remedy="let a service in the middle keep what it asks for (by events, say), or call from higher up in parallel",
                where=chain.where,
            )


def find_amplification(graph: Graph, bound: int) -> Iterator[Finding]:
    """Entries from which one request can become more than `bound` attempts at the end of a chain."""
    for chain in _heaviest(graph, lambda call, rest: call.attempts * rest, nothing=1):
        if chain.weight > bound:
            product = " x ".join(str(call.attempts) for call in chain.calls)
            yield Finding(
                rule="retry-amplification",
                severity=Severity.ERROR,
                path=chain.path,
                message=f"one request can become {product} = {chain.weight} attempts at the end, more than {bound}",
                remedy="retry at one place of the chain: give maxAttempts = 1 to the other calls",
                where=chain.where,
            )


def _heaviest(graph: Graph, weigh: Callable[[Call, int], int], *, nothing: int) -> Iterator[Chain]:
    """The heaviest chain from each entry. `weigh` returns the weight of a chain with a call in front, from the call and the chain's
    weight."""
    ordered = components(method_edges(graph))
    number = {step: index for index, component in enumerate(ordered) for step in component}
    best: dict[Step, Chain] = {}
    called: set[Step] = set()
    for component in ordered:
        for step in component:
            chain = Chain(nothing, ())
            for call in graph.calls_of(step):
                if number[call.callee] == number[step]:
                    continue
                called.add(call.callee)
                rest = best[call.callee]
                weight = weigh(call, rest.weight)
                # The longer of two chains of equal weight, so that a call without retries does not vanish from the way.
                if (weight, 1 + len(rest.calls)) > (chain.weight, len(chain.calls)):
                    chain = Chain(weight, (call, *rest.calls))
            best[step] = chain
    return (chain for step, chain in best.items() if step not in called and chain.calls)
