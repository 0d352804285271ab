"""The `retry` role: another attempt after a failed one, where that helps and does nothing twice. The rules are gRFC A6's.

An attempt is repeated if no handler had begun with it. This is known of an attempt that was not sent, of one that the server's HTTP/2 gave
back unprocessed, and of one that a server of towpath rejected and asked to come again. Where a handler may have begun, two conditions have
to hold. The policy has to name the code, and the method has to be idempotent or the call has to have an idempotency key. This holds for
UNAVAILABLE too and is stricter than gRPC there: a connection that is lost behind the request leaves the effect and no answer, and so does a
handler that misses a service of its own. A call with a key is also repeated after ABORTED with a time to come again: a server says so while
it still runs an earlier attempt. Three kinds are never repeated: a call that its caller cancelled, a call that ran out of time, and
an attempt that the server has begun to answer. The server's pushback is obeyed to the letter. An attempt that was lost before a server saw
it is repeated once, at once, and is not counted (A6's transparent retry), even where the policy allows one attempt. Nor does it take from
the budget: a server that says GOAWAY may leave a hundred calls unseen at once, and a repetition adds nothing to what it does.

Repetitions help against faults that happen now and then, and add load and nothing else in an outage. There is one where a method's
repetitions have failed for a second, as many of them as one call may have, and no call of it was answered in between. Then only one in
`PAUSE` seconds is made until a call is answered, or until none has failed for `FORGOTTEN_AFTER`. First attempts are all made, so a server
that recovers is found at once. In the first second ten repetitions that fail are enough: then one in two seconds is made. A budget alone
does not do this: a fleet of clients that each make half a call a second stays within the reserve of each, and would repeat every call of an
outage as often as it may (docs/adr/0020-rare-repetitions-in-an-outage.md).

Retries multiply along a chain of services unless only one of them retries. So a layer that gives up says so in the error's pushback. A
handler that lets the error through thereby tells its own caller not to try again. A service that works for a repeated call does not repeat
what was rejected for overload: its caller will.

A call with one request and a stream of answers is repeated like a unary call until its answer begins, which is A6's point of commitment
(Connect and gRPC-Web begin an answer even to say that it failed). A call whose requests stream is not repeated: the requests are gone.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from towpath._core import clock
from towpath._core.context import Context, current
from towpath._core.decisions import Decision, Signal, shed, unheard, was_rejected
from towpath._core.errors import RpcError
from towpath._core.outcome import Outcome, classify, is_held_elsewhere
from towpath._core.policies import RetryPolicy
from towpath._core.service import Handler, MethodSpec
from towpath._layers.retry_budget import ANSWERED, RetryBudget

ATTEMPT: Final = "ATTEMPT"
"""Signal: another attempt is made, after its backoff."""

TRANSPARENT: Final = "TRANSPARENT"
"""Signal: another attempt is made at once, since no server has seen the last one."""

PUSHBACK: Final = "PUSHBACK"
"""Signal: no attempt is made, because the server asked for none."""

ATTEMPTS_EXHAUSTED: Final = "ATTEMPTS_EXHAUSTED"
"""Signal: no attempt is made, because the policy allows no more."""

BUDGET_EXHAUSTED: Final = "BUDGET_EXHAUSTED"
"""Signal: no attempt is made, because the target's budget is exhausted."""

DEADLINE_TOO_NEAR: Final = "DEADLINE_TOO_NEAR"
"""Signal: no attempt is made, because the deadline would pass before it."""

IN_VAIN: Final = "IN_VAIN"
"""Signal: no attempt is made, because the last ones came to nothing."""

CALLER_RETRIES: Final = "CALLER_RETRIES"
"""Signal: no attempt is made, because the call that this service works for is a repetition itself, and the target is overloaded."""

MANY: Final = 10
"""Repetitions that may fail in the first second of a fault, without an answer in between, before one in `SHORT_PAUSE` is made."""

SHORT_PAUSE: Final = 2.0
"""Seconds between repetitions after that."""

OUTAGE_AFTER: Final = 1.0
"""Seconds for which repetitions have failed before they become rare: a shorter fault is what they are for."""

PAUSE: Final = 30.0
"""Seconds between repetitions while they are rare."""

FORGOTTEN_AFTER: Final = 10.0
"""Seconds without a failure after which repetitions are made again: what failed so long ago says nothing of a method that is rarely
called."""

_NO_MORE: Final = -1.0

PolicyOf = Callable[[MethodSpec[Any, Any]], RetryPolicy | None]


class Retry:
    """Repeats failed attempts within `budget`, the target's, as `policy_of(method)` says. None stands for no repetition at all; a policy of
    one attempt repeats only an attempt that no server has seen.

    `source` draws the backoff. A cancelled call ends at once, also while it waits for its next attempt. The caller gets the last attempt's
    error.
    """

    __slots__ = ("_budget", "_policy_of", "_signal", "_source")

    role = "retry"

    def __init__(
        self,
        *,
        policy_of: PolicyOf,
        budget: RetryBudget,
        source: random.Random,
        signal: Signal = unheard,
    ) -> None:
        self._policy_of = policy_of
        self._budget = budget
        self._source = source
        self._signal = signal

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Methods with one request and a policy have this role."""
        policy = None if method.kind.requests_stream else self._policy_of(method)
        if policy is None:
            return following
        budget = self._budget
        deposit = budget.deposit
        streams = method.kind.responses_stream
        kind = _StreamRepetition if streams else _Repetition
        repetition = kind(method, following, policy, budget, self._source, self._signal)
        repeat = repetition.repeat

        # The duration of a stream says nothing of how much is under way, so a stream counts only by its end.
        async def stream(exchange: Any, ctx: Context) -> None:
            try:
                await following(exchange, ctx)
            except RpcError as error:
                if exchange.answering or classify(error) in ANSWERED:
                    repetition.vain = 0
                await repeat(exchange, ctx, error)
            repetition.vain = 0
            deposit()

        async def handle(request: Any, ctx: Context) -> Any:
            budget.active += 1  # INLINED: RetryBudget.began, one function call less
            try:
                try:
                    response = await following(request, ctx)
                except RpcError as error:
                    response = await repeat(request, ctx, error)
            except BaseException as error:
                outcome = classify(error)
                budget.ended(outcome)
                if outcome in ANSWERED:
                    repetition.vain = 0
                raise
            budget.active -= 1  # INLINED: RetryBudget.ended, for a call that succeeds; one function call less
            if repetition.vain:
                repetition.vain = 0
            deposit()
            return response

        return stream if streams else handle


class _Repetition:
    """Further attempts of a method's calls, after the first has failed."""

    __slots__ = ("_budget", "_failed", "_following", "_max_vain", "_method", "_policy", "_signal", "_since", "_source", "_tried", "vain")

    def __init__(
        self,
        method: MethodSpec[Any, Any],
        following: Handler,
        policy: RetryPolicy,
        budget: RetryBudget,
        source: random.Random,
        signal: Signal,
    ) -> None:
        self._method = method
        self._following = following
        self._policy = policy
        self._budget = budget
        self._source = source
        self._signal = signal
        self._max_vain = max(1, policy.max_attempts - 1)
        self.vain = 0
        """Repetitions that came to nothing since a call was last answered."""
        self._since = 0.0
        """When the first of them failed."""
        self._failed = 0.0
        """When a call last failed that might have been repeated."""
        self._tried = 0.0
        """When a repetition was last let through."""

    async def repeat(self, request: Any, ctx: Context, error: RpcError) -> Any:
        """Try until an attempt succeeds or no other may follow. Raises the last error."""
        attempts = 1  # as maxAttempts counts them
        since_pushback = 0
        transparent = True
        while not self._committed(request) and self._eligible(error, ctx):
            if transparent and self._unseen(error, ctx):
                transparent = False
                wait, reason = 0.0, TRANSPARENT
            elif self._policy.max_attempts == 1:
                break  # this layer has not given up, so the error must not tell the caller to
            else:
                since_pushback = since_pushback + 1 if error.pushback is None else 0
                wait = self._backoff(since_pushback) if error.pushback is None else error.pushback
                stopped_by = self._reason_to_stop(error, ctx, attempts, wait)
                if stopped_by:
                    error.pushback = _NO_MORE
                    self._tell(stopped_by, ctx)
                    break
                attempts += 1
                reason = ATTEMPT
            try:
                return await self._attempt(request, ctx.again(attempts - 1), wait, reason)
            except RpcError as failure:
                error = failure
                if reason == ATTEMPT and self._in_vain(error):
                    self._record_vain(clock.now())
        raise error

    async def _attempt(self, request: Any, ctx: Context, wait: float, reason: str) -> Any:
        """Make one more attempt after `wait` seconds. One that counts holds its place in the budget until it is over."""
        try:
            if wait > 0:
                await asyncio.sleep(wait)
            self._tell(reason, ctx)
            return await self._following(request, ctx)
        finally:
            if reason == ATTEMPT:
                self._budget.returned()

    def _in_vain(self, error: RpcError) -> bool:
        """Whether a repetition that ended with `error` predicts that others would fail. An attempt that was never sent does not, nor does
        the used-up quota of one tenant."""
        outcome = classify(error)
        if outcome is Outcome.OVERLOAD:
            return shed(error, self._method.full_name)
        return outcome is Outcome.TRANSIENT and not error.unprocessed

    def _record_vain(self, now: float) -> None:
        """Count a repetition that came to nothing."""
        if not self.vain or now - self._failed > FORGOTTEN_AFTER:
            self.vain = 0
            self._since = now
        self.vain += 1
        self._failed = now

    def _are_rare(self, now: float) -> bool:
        """Whether there is an outage in which no repetition is due."""
        if now - self._since < OUTAGE_AFTER:
            return self.vain >= MANY and now < self._tried + SHORT_PAUSE
        return self.vain >= self._max_vain and now - self._failed <= FORGOTTEN_AFTER and now < self._tried + PAUSE

    def _committed(self, request: Any) -> bool:
        """Whether the caller has been given a part of the answer."""
        return False

    def _eligible(self, error: RpcError, ctx: Context) -> bool:
        """Whether another attempt may help, and does nothing twice."""
        outcome = classify(error)
        if error.unprocessed or (outcome is Outcome.OVERLOAD and error.pushback is not None and was_rejected(error, self._method)):
            return outcome is Outcome.TRANSIENT or outcome is Outcome.OVERLOAD
        if is_held_elsewhere(error, ctx.idempotency_key):
            return True
        if error.code not in self._policy.retryable_codes or outcome is Outcome.DEADLINE or outcome is Outcome.CANCELLED:
            return False
        return self._method.repeatable or bool(ctx.idempotency_key)

    def _unseen(self, error: RpcError, ctx: Context) -> bool:
        """Whether to repeat at once and without counting."""
        return error.unprocessed and error.pushback is None and classify(error) is Outcome.TRANSIENT and not ctx.expired()

    def _reason_to_stop(self, error: RpcError, ctx: Context, attempts: int, wait: float) -> str:
        """Why there is no further attempt after `wait` seconds, though the error allows it. If empty, the attempt has taken its place in
        the budget."""
        if classify(error) is Outcome.OVERLOAD:
            parent = current()
            if parent is not None and parent.attempt > 0:
                return CALLER_RETRIES
        if wait < 0:
            return PUSHBACK
        if attempts >= self._policy.max_attempts:
            return ATTEMPTS_EXHAUSTED
        if ctx.deadline is not None and clock.now() + wait >= ctx.deadline:
            return DEADLINE_TOO_NEAR
        now = clock.now()
        if self._are_rare(now):
            self._failed = now
            return IN_VAIN
        if not self._budget.withdraw():
            return BUDGET_EXHAUSTED
        self._tried = now
        return ""

    def _backoff(self, retry: int) -> float:
        """Seconds before the `retry`-th repetition in a row: full jitter, so that calls that failed together do not come back together."""
        policy = self._policy
        ceiling = policy.initial_backoff * policy.backoff_multiplier ** (retry - 1)
        return self._source.random() * min(policy.max_backoff, ceiling)

    def _tell(self, reason: str, ctx: Context) -> None:
        self._signal(Decision(self._method.full_name, Retry.role, reason, False, ctx))


class _StreamRepetition(_Repetition):
    """Further attempts of calls whose answer is a stream. The request is the call's exchange."""

    __slots__ = ()

    async def _attempt(self, request: Any, ctx: Context, wait: float, reason: str) -> Any:
        """Make one more attempt. One that counts holds its place in the budget only until it is sent: streams that have all moved to
        another
        server may last for hours."""
        try:
            if wait > 0:
                await asyncio.sleep(wait)
            self._tell(reason, ctx)
        finally:
            if reason == ATTEMPT:
                self._budget.returned()
        return await self._following(request, ctx)

    def _committed(self, request: Any) -> bool:
        return request.answering
