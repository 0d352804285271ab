"""The graph of a system's services, and the faults that it shows before anything runs."""

from towpath._contracts.graph.checks import RULES, GraphLimits, check
from towpath._contracts.graph.model import Call, Finding, Graph, Owned, Served, Severity, Step, Told
from towpath._contracts.graph.waivers import Waiver, apply

__all__ = ["RULES", "Call", "Finding", "Graph", "GraphLimits", "Owned", "Served", "Severity", "Step", "Told", "Waiver", "apply", "check"]
