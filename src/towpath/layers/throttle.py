"""The `throttle` role: a client that is refused a lot sends less, so that refusing does not become all that the target does.

The adaptive throttle of Google's SRE book (chapter 21, "Handling Overload"): with `n` calls wanted and `a` accepted in the last 10 s, a
call is dropped here with probability `(n - K * a) / (n + 1)`. With K = 2 the target sees twice what it can take, so that it is found out
soon when it can take more. Calls dropped here count as wanted, or the throttle would forget why it drops. It drops 80 % at the most
(Envoy's cap), and lets one call pass in each second whatever the figures say (go-zero), because without any there is no news.

Two windows of an overloaded target would hold a client back for ten seconds and more after it is well again, since no more than twice of
what was accepted is sent. But as long as calls are dropped half of those that are sent are refused; so once `RUN` in a row were accepted,
over a second or longer, what was is forgotten.

Not accepted is what the server itself shed because it was overloaded, and nothing else: fewer calls help nobody else. What could not be
sent, a connection that was lost and a share that is used up (a tenant's quota, a bulkhead, whatever a handler calls exhausted) count
neither way, or one tenant's quota would have the calls of all the others dropped, and an outage would outlast itself. Errors of the
application are answers, and so are slow ones.
A dropped call has not been processed, and tells who made it not to repeat it: it would only be dropped again.
"""

import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from towpath.core import clock
from towpath.core.context import Context, Criticality
from towpath.core.errors import Code, RpcError, SetupError
from towpath.core.outcome import Outcome, classify
from towpath.core.service import Handler, MethodSpec
from towpath.core.signals import Decision, Signal, refusal, shed, unheard
from towpath.layers.window import Window

TOO_FEW_ACCEPTED: Final = "TOO_FEW_ACCEPTED"
"""Reason of a call that was dropped."""

RUN: Final = 20
"""As many calls accepted in a row, when half are refused, come once in two million. A target that refuses by the second, as quotas do,
accepts more in a row, but not for so long."""

SETBACK: Final = 10
"""Accepted calls that one makes up for which was not. That the run would be over makes chance runs no rarer (once in 2.1 million calls
either way, computed), and one late refusal by a target that is well again would cost another second."""

_RUN_LASTS: Final = 1.0
_REFUSING: Final = 10

_SUCCESS: Final = Outcome.SUCCESS
_OVERLOAD: Final = Outcome.OVERLOAD


@dataclass(frozen=True, kw_only=True)
class ThrottleOptions:
    """When a client holds back.

    `headroom` is K (2, at least 1): how many calls are sent for each that is accepted. `most` (0.8, below 1) of the calls are dropped at
    the worst. `least_calls` (20) in 10 s are needed for a judgement. After `forced_after` seconds (1) without a call one passes. In
    `shadow` (False) nothing is dropped, only signalled. Raises SetupError for what cannot be meant.
    """

    headroom: float = 2.0
    most: float = 0.8
    least_calls: int = 20
    forced_after: float = 1.0
    shadow: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.headroom < float("inf"):
            raise SetupError(f"headroom of the throttle is {self.headroom:g}; give 1 or more")
        if not 0 < self.most < 1:
            raise SetupError(f"most of the throttle is {self.most:g}; give more than 0 and less than 1")
        if self.least_calls < 1:
            raise SetupError(f"least_calls of the throttle is {self.least_calls}; give 1 or more")
        if not 0 < self.forced_after < float("inf"):
            raise SetupError(f"forced_after of the throttle is {self.forced_after:g} s; give more than 0")


class AdaptiveThrottle:
    """The figures of one target, and the decision."""

    __slots__ = ("_forced_after", "_headroom", "_least_calls", "_most", "_passed", "_run", "_run_began", "_source", "window")

    def __init__(self, options: ThrottleOptions, source: random.Random) -> None:
        self.window = Window()
        """All calls of the last 10 s, those that were not accepted marked."""
        self._headroom = options.headroom
        self._most = options.most
        self._least_calls = options.least_calls
        self._forced_after = options.forced_after
        self._source = source
        self._passed = clock.now()
        self._run = 0
        self._run_began = 0.0

    def probability(self) -> float:
        """With which a call is dropped now."""
        window = self.window
        window.roll()
        total = window.total
        if total < self._least_calls:
            return 0.0
        return min(self._most, max(0.0, (total - self._headroom * (total - window.marked)) / (total + 1)))

    def drops(self) -> bool:
        """Whether to drop the call that is about to be made; the answer counts, so ask once per call."""
        # Nothing was refused of late: the common case needs no time and no chance.
        if not self.window.marked:
            return False
        now = clock.now()
        if self._source.random() < self.probability() and now - self._passed < self._forced_after:
            return True
        self._passed = now
        return False

    def dropped(self) -> None:
        """It was dropped: wanted, and not accepted."""
        self.window.add(marked=True)

    def record(self, outcome: Outcome) -> None:
        """What a call came to that was let pass, OVERLOAD being the server's own. One that was cancelled, or had no answer of the server's,
        counts for nothing."""
        if outcome is _SUCCESS:
            self.accepted()
        elif outcome is _OVERLOAD:
            self._run = max(0, self._run - SETBACK)
            self.window.add(marked=True)
        elif outcome is not Outcome.CANCELLED and outcome is not Outcome.TRANSIENT:
            self.accepted()

    def accepted(self) -> None:
        """A call was let pass and accepted."""
        if self.window.marked:
            now = clock.now()
            if not self._run:
                self._run_began = now
            self._run = min(RUN, self._run + 1)
            if self._run == RUN and now - self._run_began >= _RUN_LASTS:
                self.window.clear()
                self._run = 0
        self.window.add(marked=False)


class Throttle:
    """Drops calls to one target, in proportion to what that refuses. One instance per target, for all its methods.

    Each criticality has figures of its own, as the SRE book has it: a target that sheds what is sheddable accepts the rest, and must not be
    spared that. A dropped call ends with UNAVAILABLE. Streams are dropped when they begin, and judged when they end.
    """

    __slots__ = ("_shadow", "_signal", "_throttles")

    role = "throttle"

    def __init__(self, *, source: random.Random, options: ThrottleOptions | None = None, signal: Signal = unheard) -> None:
        given = ThrottleOptions() if options is None else options
        self._throttles = [AdaptiveThrottle(given, source) for _ in range(max(Criticality) + 1)]  # by criticality, from 1 on
        self._shadow = given.shadow
        self._signal = signal

    def refusing(self) -> bool:
        """Whether the target has lately refused a tenth of the calls or more for its own overload."""
        total = marked = 0
        for throttle in self._throttles:
            throttle.window.roll()
            total += throttle.window.total
            marked += throttle.window.marked
        return total < _REFUSING * marked

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role."""
        throttles = self._throttles
        shadow = self._shadow
        name = method.full_name

        async def judged(request: Any, ctx: Context, throttle: AdaptiveThrottle) -> Any:
            try:
                response = await following(request, ctx)
            except BaseException as error:
                outcome = classify(error)
                if outcome is not _OVERLOAD or (isinstance(error, RpcError) and shed(error, name)):
                    throttle.record(outcome)
                raise
            window = throttle.window
            if window.marked:
                throttle.accepted()
            else:
                window.add(marked=False)  # what `accepted` comes to while all is well, for one call less
            return response

        # A plain function, so that the common call has one coroutine of this layer's.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            throttle = throttles[ctx.criticality]
            if throttle.window.marked and throttle.drops():  # the former is asked by the latter, too, at the price of a call
                self._signal(Decision(name, Throttle.role, TOO_FEW_ACCEPTED, shadow, ctx, not shadow))
                if not shadow:
                    throttle.dropped()
                    return _refuse(_error(method, throttle))
            return judged(request, ctx, throttle)

        return handle


def _error(method: MethodSpec[Any, Any], throttle: AdaptiveThrottle) -> RpcError:
    window = throttle.window
    accepted = window.total - window.marked
    return refusal(
        Code.UNAVAILABLE,
        method,
        role=Throttle.role,
        reason=TOO_FEW_ACCEPTED,
        why=f"not sent, since the target accepted only {accepted} of the last {window.total} calls",
        figures={
            "calls": str(window.total),
            "accepted": str(accepted),
            "probability": f"{throttle.probability():.2f}",
        },
        pushback=-1.0,
    )


async def _refuse(error: RpcError) -> Any:
    raise error
