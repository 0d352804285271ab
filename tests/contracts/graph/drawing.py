"""Graphs drawn in a line: what the tests of their checks share."""

from typing import Any

from towpath._contracts.graph import Call, Graph, Served, Step
from towpath._core.context import Criticality


def step(name: str) -> Step:
    """`a` is the method x.v1.S/M of the service a, `a/Get` another one of it."""
    service, _, method = name.partition("/")
    return Step(service, f"x.v1.S/{method or 'M'}")


def call(way: str, **of_call: Any) -> Call:
    """`a > b`, with a second of time and one attempt unless `of_call` says otherwise."""
    caller, callee = way.split(" > ")
    defaults: dict[str, Any] = {"where": f"{caller}.toml: {way}", "timeout": 1.0, "criticality": Criticality.CRITICAL, "repeatable": True}
    return Call(caller=step(caller), callee=step(callee), **(defaults | of_call))


def graph(*calls: Call, **served: Served) -> Graph:
    """The graph of `calls`; methods have 2 s and are CRITICAL unless `served` says otherwise of the service."""
    steps = sorted({side for one in calls for side in (one.caller, one.callee)})
    plain = Served(timeout=2.0, criticality=Criticality.CRITICAL)
    return Graph(served={one: served.get(one.service, plain) for one in steps}, calls=calls)
