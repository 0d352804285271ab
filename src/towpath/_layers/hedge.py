"""The `hedge` role: a second attempt beside a slow first one, because another server may be faster ("The Tail at Scale", 2013).

The role is for methods that their contract calls idempotent, and only if a policy asks for it. The second attempt is sent once the first
has taken longer than all but a share of the calls do (Finagle's `BackupRequestFilter.scala`), so this share is the price. The price also
has to hold when everything is slow at once. So a hedge must be earned in a budget of its own, which has no reserve, and in the target's
budget, which retries and hedges share. While the target or this process is overloaded, no hedge is sent.

The first answer wins; the layer cancels the other attempts and awaits them. An error ends the call, unless its code is non-fatal: then the
others go on, and the next attempt need not wait for its time (gRFC A6). A server's pushback ends the hedging of this call. An attempt that
meets an earlier one with the same idempotency key at another server ends no call either.

A method has retries or hedges, as in gRFC A6; the code that composes the stack decides which. A hedged call costs a task, which other calls
do not: hedging is for methods that are worth it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, unheard
from towpath._core.errors import RpcError
from towpath._core.outcome import Outcome, classify, is_held_elsewhere
from towpath._core.policies import HedgingPolicy
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._layers.latencies import RecentLatencies
from towpath._layers.retry_budget import RetryBudget, RetryTokenBucket

ATTEMPT: Final = "ATTEMPT"
"""Signal: a hedge is sent beside the attempts that are under way."""

WON: Final = "WON"
"""Signal: the answer came from a hedge."""

BUDGET_EXHAUSTED: Final = "BUDGET_EXHAUSTED"
"""Signal: a hedge was due, and either budget had none left."""

OVERLOADED: Final = "OVERLOADED"
"""Signal: a hedge was due, and the target or this process has too much to do already."""

_SHORTEST: Final = 0.001
_SUCCESS: Final = Outcome.SUCCESS

PolicyOf = Callable[[MethodSpec[Any, Any]], HedgingPolicy | None]


def _at_ease() -> bool:
    return False


class Hedge:
    """Sends further attempts as `policy_of(method)` says (None: none), within `budget`, the target's.

    `overloaded` says whether this process is overloaded. Cancellation ends all attempts, and the call ends after them. The caller gets the
    error that ended the call, or else the last one.
    """

    __slots__ = ("_budget", "_overloaded", "_policy_of", "_signal")

    role = "hedge"

    def __init__(
        self,
        *,
        policy_of: PolicyOf,
        budget: RetryBudget,
        overloaded: Callable[[], bool] = _at_ease,
        signal: Signal = unheard,
    ) -> None:
        self._policy_of = policy_of
        self._budget = budget
        self._overloaded = overloaded
        self._signal = signal

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Idempotent unary methods with a policy have this role."""
        policy = self._policy_of(method) if method.repeatable and method.kind is MethodKind.UNARY else None
        if policy is None:
            return following
        return _Hedging(method, following, policy, self._budget, self._overloaded, self._signal).handle


class _Hedging:
    """The hedging of one method: its policy, its latencies and its own budget."""

    __slots__ = ("_budget", "_following", "_latencies", "_name", "_overloaded", "_policy", "_signal", "_tokens")

    def __init__(
        self,
        method: MethodSpec[Any, Any],
        following: Handler,
        policy: HedgingPolicy,
        budget: RetryBudget,
        overloaded: Callable[[], bool],
        signal: Signal,
    ) -> None:
        self._name = method.full_name
        self._following = following
        self._policy = policy
        self._budget = budget
        self._overloaded = overloaded
        self._signal = signal
        self._tokens = RetryTokenBucket(policy.extra_load)
        self._latencies = RecentLatencies(1.0 - policy.extra_load)

    async def handle(self, request: Any, ctx: Context) -> Any:
        """Make a call of the method, with a hedge if one is due."""
        began = clock.now()
        self._tokens.deposit()
        self._budget.began()
        try:
            delay = self._delay(began)
            response = await (self._following(request, ctx) if delay is None else self._race(request, ctx, delay))
        except BaseException as error:
            outcome = classify(error)
            self._budget.ended(outcome)
            if outcome is Outcome.DEADLINE:
                self._observe(began)
            raise
        self._budget.ended(_SUCCESS)
        self._observe(began)
        return response

    def _delay(self, now: float) -> float | None:
        """Seconds to wait before a hedge; None as long as too few calls were seen to tell."""
        given = self._policy.hedging_delay
        if given is not None:
            return given
        known = self._latencies.value(now)
        return None if known is None else max(_SHORTEST, known)

    def _observe(self, began: float) -> None:
        # A call that a hedge answered counts with its whole duration: that is above the quantile, as its first attempt would have been.
        now = clock.now()
        self._latencies.observe(now - began, now)

    async def _race(self, request: Any, ctx: Context, delay: float) -> Any:
        """The first answer of up to `max_attempts` attempts. Each is sent `delay` seconds after the one before, or when that has failed. If
        there is no room for an attempt, the next try comes after twice the delay."""
        first = self._attempt(request, ctx)
        running = {first}
        left = self._policy.max_attempts - 1
        try:
            while True:
                ended, running = await asyncio.wait(running, timeout=delay if left else None, return_when=asyncio.FIRST_COMPLETED)
                faults: list[BaseException] = []
                for task in ended:
                    fault = _fault(task)
                    if fault is not None:
                        faults.append(fault)
                if len(faults) < len(ended):
                    return self._answer(ended, first, ctx)
                for fault in faults:
                    if not isinstance(fault, RpcError):
                        raise fault
                    if fault.code not in self._policy.non_fatal_codes and not is_held_elsewhere(fault, ctx.idempotency_key):
                        raise fault
                    if fault.pushback is not None:
                        left = 0
                if left and self._admitted(ctx):
                    running.add(self._hedge(request, ctx.again(self._policy.max_attempts - left)))
                    left -= 1
                else:
                    delay *= 2  # there may be room later: most calls that are hedged now end soon, and were not the slowest
                if not running:
                    raise faults[-1]
        finally:
            await _end(running)

    def _answer(self, ended: set[asyncio.Task[Any]], first: asyncio.Task[Any], ctx: Context) -> Any:
        """The answer among the `ended` attempts, the first attempt's if there are several."""
        if first in ended and _fault(first) is None:
            return first.result()
        self._tell(WON, ctx)
        return next(task.result() for task in ended if _fault(task) is None)

    def _attempt(self, request: Any, ctx: Context) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(self._following(request, ctx), name=ctx.method)

    def _hedge(self, request: Any, ctx: Context) -> asyncio.Task[Any]:
        self._tell(ATTEMPT, ctx)
        task = self._attempt(request, ctx)
        # Not a `finally` in the attempt: a task that is cancelled before its first step never reaches it.
        task.add_done_callback(self._returned)
        return task

    def _admitted(self, ctx: Context) -> bool:
        if self._overloaded() or self._budget.strained():
            self._tell(OVERLOADED, ctx)
            return False
        if self._tokens.withdraw() and self._budget.withdraw():
            return True
        self._tell(BUDGET_EXHAUSTED, ctx)
        return False

    def _returned(self, _: asyncio.Task[Any]) -> None:
        self._budget.returned()

    def _tell(self, reason: str, ctx: Context) -> None:
        self._signal(Decision(self._name, Hedge.role, reason, False, ctx))


def _fault(task: asyncio.Task[Any]) -> BaseException | None:
    """The error that an attempt ended with; None for an answer."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel attempts, and wait until none of them runs any more. Their results are dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
