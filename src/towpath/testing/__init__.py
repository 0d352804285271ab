"""Tests of services: services on free ports, and deterministic simulation, in which real servers and channels run on virtual time and a
simulated network, the same run for the same seed."""

from towpath.testing._cpu import Cpu
from towpath.testing._faults import Fault, Faults
from towpath.testing._link import LinkOptions, constant, lognormal, uniform
from towpath.testing._loop import Deadlock, VirtualLoop
from towpath.testing._network import Network, Node
from towpath.testing._served import Member, Served
from towpath.testing._serving import Serving, System, serving, serving_system
from towpath.testing._simulation import LeakedTasks, Simulation, simulate

__all__ = [
    "Cpu",
    "Deadlock",
    "Fault",
    "Faults",
    "LeakedTasks",
    "LinkOptions",
    "Member",
    "Network",
    "Node",
    "Served",
    "Serving",
    "Simulation",
    "System",
    "VirtualLoop",
    "constant",
    "lognormal",
    "serving",
    "serving_system",
    "simulate",
    "uniform",
]
