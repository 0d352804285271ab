"""The `throttle` role: a client whose calls are rejected sends fewer, so that the target need not spend its capacity on rejections.

The rule is the adaptive throttle of Google's SRE book (chapter 21, "Handling Overload"). With `n` calls wanted and `a` accepted in the last
10 s, the client drops a call with probability `(n - K * a) / (n + 1)`. With K = 2 the target sees twice as many calls as it can take, so a
recovery shows soon. A dropped call counts as wanted, or the throttle would forget why it drops. The throttle drops at most 80 % (Envoy's
cap), and lets one call pass in each second whatever the counts are (go-zero), because without any call a recovery cannot show.

A client sends at most twice as many calls as were accepted, so the windows of an overloaded target would hold it back for ten seconds and
more after the target has recovered. But as long as calls are dropped, half of the calls that are sent are rejected. So the windows start
anew once `RUN` calls in a row were accepted, over a second or longer.

A client that had lost all of its connections forgets what was rejected over them once it has one again: the server behind it is probably
another process, and the old windows would drop calls for ten seconds after an outage.

A call counts as not accepted only if the server itself shed it because it was overloaded: fewer calls do not help against any other
failure. Calls that could not be sent, lost connections and used-up shares (a tenant's quota, a bulkhead, a RESOURCE_EXHAUSTED of a handler)
count neither way. Otherwise one tenant's quota would drop the calls of all other tenants, and an outage would outlast itself. Errors of the
application count as accepted, and so do slow answers. The error of a dropped call says that the call was not processed, and asks the caller
not to repeat it: it would only be dropped again.
"""

import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from towpath._core import clock
from towpath._core.context import Context, Criticality
from towpath._core.decisions import Decision, Signal, rejection, shed, unheard
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.outcome import Outcome, classify
from towpath._core.service import Handler, MethodSpec
from towpath._layers.window import Window

TOO_FEW_ACCEPTED: Final = "TOO_FEW_ACCEPTED"
"""The reason of a dropped call."""

RUN: Final = 20
"""Calls accepted in a row that show a recovery. If half of the calls are rejected, such a run occurs once in two million. A target that
counts calls per second, as quotas do, accepts more in a row, but not for a whole second."""

SETBACK: Final = 10
"""Accepted calls that one rejected call takes from the run. Resetting the run to 0 would not make false runs rarer (once in 2.1 million
calls either way, computed), and one late rejection by a recovered target would cost another second."""

_RUN_LASTS: Final = 1.0
"""Seconds that a run of accepted calls must last to show a recovery."""
_REJECTING: Final = 10
"""A target is rejecting if it has rejected at least one call in so many."""

_SUCCESS: Final = Outcome.SUCCESS
_OVERLOAD: Final = Outcome.OVERLOAD


@dataclass(frozen=True, kw_only=True)
class ThrottleOptions:
    """When a client holds back. Raises SetupError for values that make no sense."""

    headroom: float = 2.0
    """K, at least 1: calls that are sent for each accepted call."""
    max_share: float = 0.8
    """The largest share of calls that is dropped, below 1."""
    min_calls: int = 20
    """Calls in 10 s below which no call is dropped."""
    forced_after: float = 1.0
    """Seconds without a sent call after which one passes."""
    shadow: bool = False
    """True drops nothing, and signals each call that would have been dropped."""

    def __post_init__(self) -> None:
        if not 1 <= self.headroom < float("inf"):
            raise SetupError(f"headroom of the throttle is {self.headroom:g}; give 1 or more")
        if not 0 < self.max_share < 1:
            raise SetupError(f"max_share of the throttle is {self.max_share:g}; give more than 0 and less than 1")
        if self.min_calls < 1:
            raise SetupError(f"min_calls of the throttle is {self.min_calls}; give 1 or more")
        if not 0 < self.forced_after < float("inf"):
            raise SetupError(f"forced_after of the throttle is {self.forced_after:g} s; give more than 0")


class AdaptiveThrottle:
    """The figures of one target, and the decision to drop."""

    __slots__ = ("_forced_after", "_headroom", "_max_share", "_min_calls", "_passed", "_run", "_run_began", "_source", "window")

    def __init__(self, options: ThrottleOptions, source: random.Random) -> None:
        self.window = Window()
        """All calls of the last 10 s. The marked ones were not accepted."""
        self._headroom = options.headroom
        self._max_share = options.max_share
        self._min_calls = options.min_calls
        self._forced_after = options.forced_after
        self._source = source
        self._passed = clock.now()
        self._run = 0
        self._run_began = 0.0

    def probability(self) -> float:
        """The probability with which a call is dropped now."""
        window = self.window
        window.roll()
        total = window.total
        if total < self._min_calls:
            return 0.0
        return min(self._max_share, max(0.0, (total - self._headroom * (total - window.marked)) / (total + 1)))

    def drops(self) -> bool:
        """Whether to drop the next call. Ask once per call: the time of the last call that may pass is remembered."""
        # No call was rejected lately: the common case reads no clock and draws no number.
        if not self.window.marked:
            return False
        now = clock.now()
        if self._source.random() < self.probability() and now - self._passed < self._forced_after:
            return True
        self._passed = now
        return False

    def dropped(self) -> None:
        """Count a dropped call as wanted and not accepted."""
        self.window.add(marked=True)

    def record(self, outcome: Outcome) -> None:
        """Count the outcome of a call that was sent. OVERLOAD must be an overload of the server itself. A cancelled call counts for
        nothing, and so does a call that the server did not answer."""
        if outcome is _SUCCESS:
            self.accepted()
        elif outcome is _OVERLOAD:
            self._run = max(0, self._run - SETBACK)
            self.window.add(marked=True)
        elif outcome is not Outcome.CANCELLED and outcome is not Outcome.TRANSIENT:
            self.accepted()

    def forget(self) -> None:
        """Start from zero."""
        self.window.clear()
        self._run = 0

    def accepted(self) -> None:
        """Count a call that was sent and accepted."""
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
    """Drops calls to one target, in proportion to its rejections. One instance per target, for all its methods.

    Each criticality has counts of its own, as in the SRE book: a target that sheds its sheddable calls accepts the others, and must get
    them. A dropped call ends with UNAVAILABLE. A stream may be dropped when it begins, and counts when it ends.
    """

    __slots__ = ("_shadow", "_signal", "_throttles")

    role = "throttle"

    def __init__(self, *, source: random.Random, options: ThrottleOptions | None = None, signal: Signal = unheard) -> None:
        given = ThrottleOptions() if options is None else options
        self._throttles = [AdaptiveThrottle(given, source) for _ in range(max(Criticality) + 1)]  # by criticality, from 1 on
        self._shadow = given.shadow
        self._signal = signal

    def rejecting(self) -> bool:
        """Whether the target has lately rejected a tenth of the calls or more for its own overload."""
        total = marked = 0
        for throttle in self._throttles:
            throttle.window.roll()
            total += throttle.window.total
            marked += throttle.window.marked
        return total < _REJECTING * marked

    def forget(self) -> None:
        """Forget all rejections, since the calls from now on go to another server, or over another connection."""
        for throttle in self._throttles:
            throttle.forget()

    def probabilities(self) -> dict[Criticality, float]:
        """The probability with which a call of each criticality is dropped now."""
        return {criticality: self._throttles[criticality].probability() for criticality in Criticality}

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
                window.add(marked=False)  # INLINED: AdaptiveThrottle.accepted, while no call was rejected; one function call less
            return response

        # A plain function, so that this layer costs the common call only one coroutine.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            throttle = throttles[ctx.criticality]
            if throttle.window.marked and throttle.drops():  # `drops` looks at the window too, but costs a function call
                self._signal(Decision(name, Throttle.role, TOO_FEW_ACCEPTED, shadow, ctx, not shadow))
                if not shadow:
                    throttle.dropped()
                    return _raising(_error(method, throttle))
            return judged(request, ctx, throttle)

        return handle


def _error(method: MethodSpec[Any, Any], throttle: AdaptiveThrottle) -> RpcError:
    window = throttle.window
    accepted = window.total - window.marked
    return rejection(
        Code.UNAVAILABLE,
        method,
        role=Throttle.role,
        reason=TOO_FEW_ACCEPTED,
        why="not sent, since the target accepted too few of the last calls",
        figures={
            "calls": str(window.total),
            "accepted": str(accepted),
            "probability": f"{throttle.probability():.2f}",
        },
        pushback=-1.0,
    )


async def _raising(error: RpcError) -> Any:
    raise error
