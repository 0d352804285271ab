"""Cycles of calls: a request that comes back to where it was never ends before its deadline does.

Strongly connected components by Tarjan (SIAM Journal on Computing 1:2, 1972), with a stack of its own, since a generated graph may be
deeper than Python's. Of each component one shortest cycle is shown, not all: there can be exponentially many, and one has to go anyway.
"""

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from towpath._contracts.graph.model import Finding, Graph, Severity, Step

Node = TypeVar("Node", bound=Hashable)


def components(edges: Mapping[Node, Sequence[Node]]) -> list[list[Node]]:
    """The strongly connected components of `edges` (every node is a key), callees before their callers."""
    order: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    pending: list[Node] = []
    held: set[Node] = set()
    found: list[list[Node]] = []
    for root in edges:
        if root in order:
            continue
        work: list[tuple[Node, Iterator[Node]]] = []
        entering: Node | None = root
        while entering is not None or work:
            if entering is not None:
                order[entering] = lowest[entering] = len(order)
                pending.append(entering)
                held.add(entering)
                work.append((entering, iter(edges[entering])))
                entering = None
            node, following = work[-1]
            for other in following:
                if other not in order:
                    entering = other
                    break
                if other in held:
                    lowest[node] = min(lowest[node], order[other])
            if entering is not None:
                continue
            work.pop()
            if work:
                above = work[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == order[node]:
                start = pending.index(node)
                found.append(pending[start:])
                held.difference_update(pending[start:])
                del pending[start:]
    return found


def shortest_cycle(edges: Mapping[Node, Sequence[Node]], start: Node) -> list[Node]:
    """The nodes along a shortest cycle through `start`, which stands at both ends; empty if there is none."""
    before: dict[Node, Node] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for other in edges[node]:
            if other == start:
                way = [node]
                while way[-1] != start:
                    way.append(before[way[-1]])
                return [*reversed(way), start]
            if other not in before:
                before[other] = node
                queue.append(other)
    return []


def method_edges(graph: Graph) -> dict[Step, list[Step]]:
    """The callees of each step."""
    return {step: [call.callee for call in graph.calls_of(step)] for step in graph.served}


def find_cycles(graph: Graph) -> Iterator[Finding]:
    """Cycles of methods, which are errors, and cycles of services alone, which are warnings."""
    methods = method_edges(graph)
    explained: list[set[str]] = []
    for cycle in _cycles(methods):
        explained.append({step.service for step in cycle})
        yield Finding(
            rule="cycle",
            severity=Severity.ERROR,
            path=tuple(map(str, cycle)),
            message="these methods call each other in a circle: one request can go around until its deadline, multiplied by each retry",
            remedy="let one of them answer from its own data, or hand the work on as an event instead of a call",
            where=tuple(dict.fromkeys(_declared(graph, cycle))),
        )
    services: dict[str, list[str]] = {step.service: [] for step in graph.served}
    for call in graph.calls:
        if call.caller.service != call.callee.service:
            services[call.caller.service].append(call.callee.service)
    for cycle in _cycles(services):
        if set(cycle) not in explained:
            yield Finding(
                rule="service-cycle",
                severity=Severity.WARNING,
                path=tuple(cycle),
                message="these services need each other, though by different methods: none can be started, tested or drained alone",
                remedy="move what both need into a service below them, or hand the work on as an event instead of a call",
            )


def _cycles(edges: Mapping[Node, Sequence[Node]]) -> Iterator[list[Node]]:
    for component in components(edges):
        cycle = shortest_cycle(edges, component[0])
        if cycle:
            yield cycle


def _declared(graph: Graph, cycle: Sequence[Step]) -> Iterator[str]:
    for caller, callee in pairwise(cycle):
        yield next(call.where for call in graph.calls_of(caller) if call.callee == callee)
