"""A `Retry` around a target that fails as it is told."""

import asyncio
import random
from collections import Counter

import pytest
from echo.v1.echo_pb2 import SayRequest, SayResponse
from echo.v1.echo_towpath import SAY

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._core.policies import RetryPolicy
from towpath._layers.retry import Retry
from towpath._layers.retry_budget import RetryBudget

ANSWER = SayResponse(id="x")


def failure(code: Code = Code.UNAVAILABLE, *, unprocessed: bool = False, pushback: float | None = None) -> RpcError:
    error = RpcError(code, "as told")
    error.unprocessed = unprocessed
    error.pushback = pushback
    return error


class Target:
    """Fails as it is told, one after the other, then answers; notes each attempt, and when it came."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.attempts: list[int] = []
        self.times: list[float] = []

    async def __call__(self, _request, ctx):
        self.attempts.append(ctx.attempt)
        self.times.append(clock.now())
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return ANSWER


class Stage:
    """A `Retry` around a target, with all that it tells."""

    def __init__(self, *failures, method=SAY, budget=None, **policy) -> None:
        self.target = Target(*failures)
        self.budget = RetryBudget(budget)
        self.told: Counter[str] = Counter()
        layer = Retry(policy_of=lambda _: RetryPolicy(**policy), budget=self.budget, source=random.Random(1), signal=self._hear)
        self.call = layer.wrap(method, self.target)

    def _hear(self, decision: Decision) -> None:
        assert decision.method.startswith("echo.v1.EchoService/")
        assert (decision.role, decision.shadow, decision.rejected, decision.ctx.method) == ("retry", False, False, "a/b")
        self.told[decision.reason] += 1

    async def run(self, *, deadline=None, key=""):
        ctx = Context("a/b", deadline)
        ctx.idempotency_key = key
        try:
            return await self.call(SayRequest(), ctx)
        finally:
            assert (self.budget.active, self.budget.retrying) == (0, 0)

    async def fails(self, **options) -> RpcError:
        with pytest.raises(RpcError) as caught:
            await self.run(**options)
        return caught.value
