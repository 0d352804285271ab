"""Deterministic simulation: real servers and channels on virtual time and a simulated network, the same run for the same seed."""

from towpath.testing._cpu import Cpu
from towpath.testing._faults import Fault, Faults
from towpath.testing._link import LinkOptions, constant, lognormal, uniform
from towpath.testing._loop import Deadlock, VirtualLoop
from towpath.testing._network import Network, Node
from towpath.testing._simulation import LeakedTasks, Simulation, simulate

__all__ = [
    "Cpu",
    "Deadlock",
    "Fault",
    "Faults",
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
