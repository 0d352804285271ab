"""The entry to a simulation: virtual time, one seeded source of chance and one network under everything that `main` does.

The same seed gives the same run to the byte, in any process. Three things would break that and are refused: real sockets, threads, and
tasks that outlive the run. Others cannot be seen and are up to `main`: the wall clock, `random` of its own, the order of a set of objects.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from towpath._core import chance, clock
from towpath.testing._cpu import Cpu
from towpath.testing._link import LinkOptions
from towpath.testing._loop import START, VirtualLoop, describe
from towpath.testing._network import Network, Node

T = TypeVar("T")


class LeakedTasks(Exception):
    """`main` returned and left tasks running. The text lists them and where they wait."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The argument of `main`."""

    seed: int
    """The seed of the run."""
    random: random.Random
    """The source of `main`'s own draws: load, payloads, times of faults."""
    network: Network
    """The nodes and links of the run."""

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the beginning."""
        return clock.now() - START

    def node(self, name: str, *, cpu: Cpu | None = None) -> Node:
        """A new machine of the network."""
        return self.network.node(name, cpu=cpu)


def simulate(main: Callable[[Simulation], Coroutine[Any, Any, T]], *, seed: int = 0, options: LinkOptions | None = None) -> T:
    """Run `main(simulation)` in virtual time and return its result; `options` are those of every link.

    Raises Deadlock when every task waits for ever, LeakedTasks when tasks are left, and any error that `main` raises. Do not call it inside
    a running loop, nor from two threads at once: clock and chance are process-wide.
    """
    source = random.Random(seed)
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop, debug=False) as runner, chance.using(source), clock.using(loop.time):
        own, of_network = random.Random(source.getrandbits(64)), random.Random(source.getrandbits(64))
        loop.wires = network = Network(of_network, options)
        return runner.run(_without_leaks(main, Simulation(seed=seed, random=own, network=network)))


async def _without_leaks(main: Callable[[Simulation], Coroutine[Any, Any, T]], simulation: Simulation) -> T:
    result = await main(simulation)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        raise LeakedTasks("still running when main returned:\n" + "\n".join(sorted(f"  {describe(task)}" for task in left)))
    return result
