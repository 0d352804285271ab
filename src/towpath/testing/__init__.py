"""Deterministic simulation: real servers and channels on virtual time and a simulated network, the same run for the same seed."""

from towpath.testing.cpu import Cpu
from towpath.testing.link import LinkOptions, constant, lognormal, uniform
from towpath.testing.loop import Deadlock, VirtualLoop
from towpath.testing.network import Network, Node
from towpath.testing.simulation import LeakedTasks, Simulation, simulate

__all__ = [
    "Cpu",
    "Deadlock",
    "LeakedTasks",
    "LinkOptions",
    "Network",
    "Node",
    "Simulation",
    "VirtualLoop",
    "constant",
    "lognormal",
    "simulate",
    "uniform",
]
