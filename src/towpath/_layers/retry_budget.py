"""How much extra load retries and hedges may put on a target. Both share one budget, because the target feels them alike.

The budget has two forms at once. The first is a token bucket (Finagle's `RetryBudget.scala`, and the constants of Finagle and Linkerd).
Each call deposits a fifth of a retry, a retry withdraws a whole one, and a deposit is gone after 10 s. A reserve of 10 retries per second
keeps a quiet client able to retry at all. Only calls that ended without asking for another attempt make a deposit, as in Linkerd, so that
an outage starves the bucket and does not feed it. The second form bounds how many retries are under way at once (Envoy's `RetryBudget`). It
holds where tokens are many and the target is slow.

Amounts are integers in millionths of a retry: tower divides its costs as floats and makes 0.3 a third and 0.7 one. The bucket differs from
Finagle's in one thing: a withdrawal takes the oldest deposits, then the reserve, so that the balance cannot fall below zero when old
deposits expire. The budget does not judge outcomes; `towpath._core.outcome` does.
"""

from dataclasses import dataclass
from math import isfinite
from typing import Final

from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._core.outcome import Outcome
from towpath._layers.window import SECONDS, seconds_to_empty

_WHOLE: Final = 1_000_000
_MAX_RATIO: Final = 10.0

# Each call looks one of these up, and hashing a member of an Enum runs Python code in 3.11.
_SUCCESS: Final = Outcome.SUCCESS
ANSWERED: Final = frozenset({Outcome.SUCCESS, Outcome.CLIENT_FAULT, Outcome.FATAL})
"""How calls end that ask for no other attempt: their server answered."""


class RetryTokenBucket:
    """The token bucket. Each deposit earns `ratio` of a retry, and `reserve` retries in any 10 s need not be earned. A deposit is
    remembered for 10 s, as counts in `towpath._layers.window` are, and so is a withdrawal from the reserve."""

    __slots__ = ("_deposit", "_deposits", "_held", "_reserve", "_second", "_spent", "_spent_of_reserve")

    def __init__(self, ratio: float, reserve: float = 0.0) -> None:
        self._deposit = round(ratio * _WHOLE)
        self._reserve = round(reserve * _WHOLE)
        self._second = int(clock.now())
        self._deposits = [0] * SECONDS
        self._held = 0
        self._spent = [0] * SECONDS
        self._spent_of_reserve = 0

    def deposit(self) -> None:
        """A call has earned its share of a retry."""
        second = int(clock.now())
        if second != self._second:
            self._advance(second)
        self._deposits[second % SECONDS] += self._deposit
        self._held += self._deposit

    def withdraw(self) -> bool:
        """Take a whole retry if there is one, and return whether there was."""
        second = int(clock.now())
        if second != self._second:
            self._advance(second)
        if self._held + self._reserve - self._spent_of_reserve < _WHOLE:
            return False
        wanted = _WHOLE
        deposits = self._deposits
        for age in range(SECONDS):  # the oldest first: they expire first
            index = (second + 1 + age) % SECONDS
            taken = min(wanted, deposits[index])
            deposits[index] -= taken
            wanted -= taken
        self._held -= _WHOLE - wanted
        self._spent[second % SECONDS] += wanted
        self._spent_of_reserve += wanted
        return True

    def balance(self) -> float:
        """How many retries could be taken now, with fractions."""
        self._advance(int(clock.now()))
        return (self._held + self._reserve - self._spent_of_reserve) / _WHOLE

    def earned(self) -> bool:
        """Whether a retry could be taken from deposits alone."""
        self._advance(int(clock.now()))
        return self._held >= _WHOLE

    def _advance(self, second: int) -> None:
        """Drop deposits and withdrawals that are older than the buckets reach."""
        for passed in seconds_to_empty(self._second, second):
            index = passed % SECONDS
            self._held -= self._deposits[index]
            self._spent_of_reserve -= self._spent[index]
            self._deposits[index] = self._spent[index] = 0
        self._second = second


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What retries and hedges may add to a target's load. Raises SetupError for values that make no sense."""

    ratio: float = 0.2
    """The part of a retry that each call earns."""
    per_second: float = 10.0
    """Retries a second that need not be earned."""
    concurrent_ratio: float = 0.2
    """The share of the calls under way that may be retries."""
    min_concurrent: int = 3
    """Retries that may be under way whatever `concurrent_ratio` allows."""

    def __post_init__(self) -> None:
        for name, value in (("ratio", self.ratio), ("concurrent_ratio", self.concurrent_ratio)):
            if not 0 <= value <= _MAX_RATIO:
                raise SetupError(f"{name} of the retry budget is {value:g}; give 0 to {_MAX_RATIO:g}")
        if not (isfinite(self.per_second) and self.per_second >= 0):
            raise SetupError(f"per_second of the retry budget is {self.per_second:g}; give 0 or more")
        if self.min_concurrent < 0:
            raise SetupError(f"min_concurrent of the retry budget is {self.min_concurrent}; give 0 or more")


class RetryBudget:
    """The budget of one target, shared by all its methods. Bound to one loop; not thread-safe.

    Each call has one `began`, and one `ended` with its final outcome. Each further attempt asks `withdraw` (or `admit`) first, and each yes
    is followed by one `returned`, after a cancellation too.
    """

    __slots__ = ("_concurrent_ratio", "_min_concurrent", "_tokens", "active", "deposit", "retrying")

    def __init__(self, options: BudgetOptions | None = None) -> None:
        given = BudgetOptions() if options is None else options
        self._tokens = RetryTokenBucket(given.ratio, given.per_second * SECONDS)
        self.deposit = self._tokens.deposit  # bound once, since each call that succeeds makes a deposit
        self._concurrent_ratio = given.concurrent_ratio
        self._min_concurrent = given.min_concurrent
        self.active = 0
        self.retrying = 0

    def began(self) -> None:
        """Count a call that begins."""
        self.active += 1

    def ended(self, outcome: Outcome) -> None:
        """The call is over. A timeout or a cancellation earns nothing: a timeout does not show spare capacity."""
        self.active -= 1
        if outcome is _SUCCESS or outcome in ANSWERED:
            self.deposit()

    def withdraw(self) -> bool:
        """Begin another attempt. Returns False, and takes nothing, if either form of the budget is exhausted."""
        if self.retrying >= max(self._min_concurrent, int(self._concurrent_ratio * self.active)) or not self._tokens.withdraw():
            return False
        self.retrying += 1
        return True

    def returned(self) -> None:
        """An admitted attempt is over, or was never sent."""
        self.retrying -= 1

    def balance(self) -> float:
        """How many retries the tokens allow, with fractions."""
        return self._tokens.balance()

    def strained(self) -> bool:
        """Whether recent calls have not earned even one retry: nearly all of them failed, or retries have used up what they earned. This
        also holds before the first calls were answered."""
        return not self._tokens.earned()
