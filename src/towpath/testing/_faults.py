"""The `faults` role: trouble on purpose, for a stage or a test that asks what callers do about a slow or failing method.

The layer stands in a server's or a channel's stack like any other, so nothing in the service knows of it. It has no effect on a method that
no fault names. No default stack of towpath contains it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from towpath._core import chance
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.service import Handler, MethodSpec
from towpath.testing._link import Latency


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Trouble for calls of some methods. A call is delayed by `latency`, then ended with `code` if there is one. A stream is delayed or
    ended before its first message."""

    methods: str = "*"
    """A pattern of `package.Service/Method` with `*`."""
    probability: float = 1.0
    """The share of the calls that the fault hits."""
    latency: float | Latency = 0.0
    """Seconds, or a distribution of `towpath.testing`."""
    code: Code | None = None
    """The code of the error; None lets the call go on."""
    message: str = "injected fault"
    """The text of the error."""

    def __post_init__(self) -> None:
        """Raises ValueError for a probability outside 0 to 1."""
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability}; give one from 0 to 1")


class Faults:
    """A layer that injects `faults`, each on its own and in order. `random` decides which calls; without it the generator of the simulation
    does, or that of the process."""

    role = "faults"
    """The role in `towpath explain` and in metrics."""

    def __init__(self, faults: Sequence[Fault], *, random: Random | None = None) -> None:
        self._faults = tuple(faults)
        self._random = random or chance.generator()

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method that no fault names."""
        faults = [fault for fault in self._faults if fnmatchcase(method.full_name, fault.methods)]
        if not faults:
            return following
        random = self._random

        async def handle(request: Any, ctx: Context) -> Any:
            for fault in faults:
                if random.random() >= fault.probability:
                    continue
                delay = fault.latency(random) if callable(fault.latency) else fault.latency
                if delay:
                    await asyncio.sleep(delay)
                if fault.code is not None:
                    raise RpcError(fault.code, fault.message)
            return await following(request, ctx)

        return handle
