"""The `faults` role: trouble on purpose, for a stage or a test that asks what callers do about a slow or failing method.

It stands in a server's or a channel's stack like any other layer, so that nothing in the service knows of it. It has no effect on a method
that no fault names, and refuses to be a default: nothing in towpath puts it into a stack.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from towpath.core import chance
from towpath.core.context import Context
from towpath.core.errors import Code, RpcError
from towpath.core.service import Handler, MethodSpec
from towpath.testing.link import Latency


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What befalls a call of `methods` (a pattern of `package.Service/Method` with `*`; default all) with `probability` (1.0).

    It is held up by `latency` (seconds, or a distribution of towpath.testing; none by default), then, if there is a `code`, ended with it
    and `message`. A stream is held up or ended before its first message.
    """

    methods: str = "*"
    probability: float = 1.0
    latency: float | Latency = 0.0
    code: Code | None = None
    message: str = "injected fault"

    def __post_init__(self) -> None:
        """Raises ValueError for a probability that is none."""
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability}; give one from 0 to 1")


class Faults:
    """A layer that injects `faults`, each on its own and in order. `random` (default: a generator of `core.chance`) decides which calls."""

    role = "faults"

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
