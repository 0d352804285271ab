"""How many calls a client may take back before they are answered (CVE-2023-44487, "rapid reset").

A stream that is reset counts no more against the limit on concurrent streams, but its start has been paid for: a client that opens and
resets streams in a row gets far more started than it may have under way. So resets cost tokens, as in nghttp2
(`nghttp2_option_set_stream_reset_rate_limit`: 1,000 at once, 33 a second). Three things differ, because clients of RPC cancel for good
reasons, and many calls share a connection:

- A reset costs only if the server still worked on the stream: a reset behind the answer is free.
- Each stream that is opened earns half a token. A client that takes back no more than half of its calls (one that hedges, say) is never
  held up, however busy. Envoy draws its line at the same half (`overload.premature_reset_total_stream_count`).
- A stream that was open for long is free, as the limit on concurrent streams holds for it. When an overloaded server lets all deadlines of
  a tenth of a second or more pass, its clients are not sent away on top.

The caller passes the time in, and the budget looks at it only when a reset comes.
"""

from typing import Final

_LONG: Final = 0.05
"""Seconds after which a stream counts as old. A client that waits for so long before each reset starts 20 times its concurrent streams a
second at the most, far fewer than it may have answered. Where nothing is kept per stream: ids rise, so all streams that were there at a
reset some time ago are as old. Resets are looked at in periods of this length. So where resets come all the time, such a stream counts as
old for certain once it is twice as old. Calls know when they came."""

_EARNED: Final = 0.5


class ResetBudget:
    """The tokens of one connection: `burst` at first and at the most, `rate` more a second."""

    __slots__ = ("_at", "_before", "_before_at", "_began", "_burst", "_last", "_old", "_opened", "_rate", "_tokens")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        # The last stream that there was at the last reset, and when that was; and when the period began that it is in.
        self._last = 0
        self._opened = 0
        self._at = 0.0
        self._began = 0.0
        # The same of the last reset in the period before; and the last stream that is known to have been open for long.
        self._before = 0
        self._before_at = 0.0
        self._old = 0

    def spend(self, stream_id: int, last_stream_id: int, opened: int, now: float, arrived: float | None) -> bool:
        """Whether the client may reset `stream_id` before it was answered. `last_stream_id` is the last stream that it opened, `opened` how
        many there were (a client may skip ids), `now` the time in seconds, and `arrived` that of the stream, if it is known."""
        if now - self._began >= _LONG:
            self._old = self._before
            self._before, self._before_at = self._last, self._at
            self._began = now
        if now - self._before_at >= _LONG:
            self._old = self._before
        earned = (opened - self._opened) * _EARNED
        self._tokens = min(self._burst, self._tokens + self._rate * (now - self._at) + earned)
        self._last, self._opened, self._at = last_stream_id, opened, now
        if stream_id <= self._old or (arrived is not None and now - arrived >= _LONG):
            return True
        self._tokens -= 1
        return self._tokens >= 0
