"""Which rows are kept beyond their turn in the ring: those of slow and of failed calls with all that these did, and of one trace in 1,024.

A ring of a busy process lasts for seconds, and a person asks minutes later. So a call that was slow or failed is copied to a second ring,
together with the rows of the calls that were made for it. Budgets hold for that, or an outage would push out what it began with: so many
calls a second, so large a share of all calls, and never more than a second ring can hold for ten minutes. Of each method and code the first
failure of a minute is kept in any case.

Whether a trace is one of 1,024 is told by its id, in the same way on all hops and in the same way as whether it is sampled. Such traces are
whole, and what they say of usual durations is unbiased (ADR 0043).
"""

from collections.abc import Mapping
from typing import Any, Final

from towpath._core import clock
from towpath._core.calls.recording import KEPT
from towpath._core.context import Context
from towpath._core.errors import Code
from towpath._core.service import MethodKind, MethodSpec
from towpath._telemetry.flight_recorder.pins import Pins, pinned
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import KEPT as KEPT_FLAG
from towpath._telemetry.flight_recorder.row import Kind, unpacked
from towpath._telemetry.flight_recorder.slow_calls import SlowCalls

PER_SECOND: Final = 50.0
"""Calls that are kept in a second, at most."""

SHARE: Final = 0.05
"""The share of all calls that is kept, at most."""

LASTS: Final = 600.0
"""Seconds for which the ring of kept rows is to last."""

PINS_PER_SECOND: Final = 50.0
"""Traces that callers may ask for in a second."""

FOLLOWED_PER_SECOND: Final = 200.0
"""Calls that are kept in a second, at most, since another hop keeps them or since their trace is one of 1,024."""

ONE_IN: Final = 1024
_THRESHOLD: Final = b"%014x" % ((1 << 56) - (1 << 56) // ONE_IN)
FIRST_DIGIT: Final = _THRESHOLD[0]
"""What the low 56 bits of their ids begin with, as a character."""

_ALWAYS_AFTER: Final = 60.0
"""Seconds after which the next failure of a method with a code is kept whatever the budgets say."""

_KINDS_KNOWN: Final = 4096
"""Pairs of a method and a code for which that holds."""

_ROWS_OF_A_CALL: Final = 4
"""What a kept call is taken to need in the ring of kept rows."""

NO_ADDRESSES: Final[Mapping[int, str]] = {}


def is_one_of_many(raw: bytes) -> bool:
    """Whether the trace of a `traceparent` is one of the 1,024 that are kept on every hop: by the low 56 bits of its id."""
    return len(raw) > 34 and raw[21] == FIRST_DIGIT and raw[21:35] >= _THRESHOLD


class Bucket:
    """Tokens that come with time, and are taken one by one."""

    __slots__ = ("_at", "_most", "_rate", "tokens")

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = self.tokens = most
        self._at = clock.now()

    def has(self, now: float) -> bool:
        """Whether there is a token."""
        self.tokens = min(self._most, self.tokens + (now - self._at) * self._rate)
        self._at = now
        return self.tokens >= 1.0


class Keeping:
    """Decides for one process which rows are kept, and counts what it decides."""

    def __init__(self, writer: Writer, addresses: Mapping[int, str] = NO_ADDRESSES) -> None:
        self._writer = writer
        self._addresses = addresses
        self.pins: Final = Pins()
        """What is to be told to servers that were called."""
        self._pinned = Bucket(PINS_PER_SECOND, PINS_PER_SECOND)
        calls = writer.kept_rows / _ROWS_OF_A_CALL
        self._second = Bucket(PER_SECOND, PER_SECOND)
        self._long = Bucket(calls / 2 / LASTS, max(1.0, calls / 2))
        self._followed = Bucket(FOLLOWED_PER_SECOND, FOLLOWED_PER_SECOND)
        self._share = 10.0
        self._first: dict[tuple[str, int], float] = {}
        self._slow: dict[str, SlowCalls] = {}
        self.kept = 0
        """Calls that were kept."""
        self.over_budget = 0
        """Slow and failed calls that were not kept, since the budget was exhausted."""

    def slow(self, method: MethodSpec[Any, Any]) -> SlowCalls:
        """What is known of the durations of a method's calls."""
        name = method.full_name
        if name not in self._slow:
            self._slow[name] = SlowCalls(streams=method.kind is not MethodKind.UNARY)
        return self._slow[name]

    def counted(self, calls: int) -> None:
        """So many calls have ended, a share of which may be kept."""
        self._share = min(100.0, self._share + calls * SHARE)

    def wants(self, method: str, code: int) -> bool:
        """Whether a slow call, or one that failed with `code`, is to be kept. Takes it from the budget. A call that its caller gave up has
        not failed."""
        if code == Code.CANCELLED:
            return False
        now = clock.now()
        if code and self._is_first(method, code, now):
            return True
        if self._second.has(now) and self._long.has(now) and self._share >= 1.0:
            self._second.tokens -= 1.0
            self._long.tokens -= 1.0
            self._share -= 1.0
            return True
        self.over_budget += 1
        return False

    def _is_first(self, method: str, code: int, now: float) -> bool:
        known = self._first.get((method, code))
        if (known is None and len(self._first) >= _KINDS_KNOWN) or (known is not None and now - known < _ALWAYS_AFTER):
            return False
        self._first[method, code] = now
        return True

    def follows(self) -> bool:
        """Whether a call is to be kept that another hop keeps, or whose trace is one of 1,024. Takes it from their budget."""
        if self._followed.has(clock.now()):
            self._followed.tokens -= 1.0
            return True
        self.over_budget += 1
        return False

    def received(self, number: int, serial: int) -> None:
        """Keep the row of a received call, and those of the calls that were made for it, whose servers are told."""
        self.kept += 1
        self._writer.keep(number)
        for made in self._writer.with_serial(serial):
            self._keep_made(made)

    def told(self, traces: bytes) -> None:
        """A caller keeps these traces, and asks for what is here of them."""
        now = clock.now()
        for trace_id in pinned(traces):
            if self._pinned.has(now):
                self._pinned.tokens -= 1.0
                for number in self._writer.with_trace(trace_id):
                    self._keep_made(number)

    def _keep_made(self, number: int) -> None:
        """Keep a row. Where it is that of an attempt, its server is told."""
        row = unpacked(self._writer.buffer, self._writer.row_at(number))
        if row is not None and not row.flag(KEPT_FLAG):
            self._writer.keep(number)
            if row.kind == Kind.ATTEMPT and row.trace_id:
                self.pins.add(self._addresses.get(row.peer, ""), row.trace_id.encode())

    def failed(self, number: int, ctx: Context, code: int) -> None:
        """Keep the row of a client's call that failed with `code`, unless it was made for a received call, which decides for both."""
        if ctx.server is None and (self.follows() if ctx.call[KEPT] else self.wants(ctx.method, code)):
            self.kept += 1
            self._keep_made(number)

    def root_ended(self, number: int, method: str, *, followed: bool) -> None:
        """Keep the row of an attempt that succeeded and was slow, or that its server keeps (`followed`). Its call was made for no received
        one."""
        if self.follows() if followed else self.wants(method, 0):
            self.kept += 1
            self._keep_made(number)

    def one_of_many(self, number: int) -> None:
        """Keep the row of an attempt whose trace is one of 1,024."""
        if self.follows():
            self._writer.keep(number)
