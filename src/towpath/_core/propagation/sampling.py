"""Head sampling: which traces are exported, as decided where a trace begins (ADR 0044).

It follows OpenTelemetry's ProbabilitySampler: a trace has 56 random bits, which are the last of its id or the `rv` of its `tracestate`, and
it is sampled if they are not below a threshold, which goes along as `th`. Below its root a trace is sampled if its caller says so.

Bits and thresholds are compared as hex digits. The process has one sampler, which `use` sets. Without one no trace that begins here is
sampled, and nothing is spent on it.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from towpath._core import chance
from towpath._core.propagation import trace_state

_BITS: Final = 56
_DIGITS: Final = 14
_PRECISION: Final = 4
"""Hex digits of a threshold behind those at its beginning that are `f`: the ratio is off by one part in 4,000 at most."""
_RANDOMNESS: Final = re.compile(r"[0-9a-f]{14}")
_NOT_SAMPLED: Final = {b"%x" % digit: b"%x" % (digit & ~1) for digit in range(16)}
_SAMPLED: Final = {b"%x" % digit: b"%x" % (digit | 1) for digit in range(16)}


class Threshold(NamedTuple):
    """What the random bits of a trace that is sampled are not below."""

    digits: bytes
    """14 hex digits, or a letter behind them all for a ratio of 0."""

    th: str
    """The digits as `tracestate` has them, without zeros at their end; empty for a ratio of 0."""


NEVER: Final = Threshold(b"g", "")
"""The threshold that no trace reaches."""


def threshold(ratio: float) -> Threshold:
    """The threshold that a `ratio` (0 to 1) of all traces is not below."""
    rejected = (1 << _BITS) - round(ratio * (1 << _BITS))
    if rejected >= 1 << _BITS:
        return NEVER
    digits = f"{rejected:014x}"
    places = min(_DIGITS, _PRECISION + _DIGITS - len(digits.lstrip("f")))
    unit = 1 << 4 * (_DIGITS - places)
    rounded = f"{(rejected + unit // 2) // unit * unit:014x}"
    return Threshold(rounded.encode(), rounded.rstrip("0") or "0")


class Sampler:
    """The ratios of a process."""

    __slots__ = ("_methods", "_others", "follows_parents")

    follows_parents: Final[bool]
    """Whether a trace that began elsewhere is sampled if its caller says so. If not, each hop decides by its own ratio."""

    def __init__(self, ratio: float, methods: Mapping[str, float] | None = None, *, follows_parents: bool = True) -> None:
        """`methods` has the ratios of methods and services that are to have another than `ratio`, by their full names."""
        self._others = threshold(ratio)
        self._methods = {name: threshold(one) for name, one in (methods or {}).items()}
        self.follows_parents = follows_parents

    def threshold(self, method: str) -> Threshold:
        """That of a trace that begins with a call of `method`."""
        methods = self._methods
        if not methods:
            return self._others
        found = methods.get(method) or methods.get(method.rpartition("/")[0])
        return self._others if found is None else found


current: Sampler | None = None
"""The process's sampler. Read it as `sampling.current`, since `use` replaces it."""

decides_anew: bool = False
"""Whether `current` follows no parents."""


def use(sampler: Sampler | None) -> None:
    """Make `sampler` the process's; None samples no trace that begins here."""
    global current, decides_anew
    current = sampler
    decides_anew = sampler is not None and not sampler.follows_parents


@contextmanager
def using(sampler: Sampler | None) -> Generator[None]:
    """Have `sampler` inside the `with` block. It is the whole process's, so two blocks must not overlap in time."""
    before = current
    use(sampler)
    try:
        yield
    finally:
        use(before)


def reconsidered(traceparent: bytes, state: str, method: str, *, believed: bool) -> tuple[bytes, str]:
    """A received `traceparent` and `tracestate` with the decision of this process in place of the caller's.

    The random bits of a caller that is not believed are drawn, because it could choose them, and go along as `rv`. Whether the header is
    well-formed is left to `TraceContext.received`: one that is not stays so.
    """
    limit = NEVER if current is None else current.threshold(method)
    if limit is NEVER and not state:
        return _flagged(traceparent, _NOT_SAMPLED), state
    state = trace_state.accepted(state)
    given = trace_state.of_opentelemetry(state)
    own = given if believed else {}
    if not believed and limit is not NEVER:
        own = {"rv": f"{chance.bits(_BITS):014x}"}
    explicit = own.get("rv", "")
    randomness = explicit.encode() if _RANDOMNESS.fullmatch(explicit) else traceparent[21:35]
    if randomness >= limit.digits:
        return _flagged(traceparent, _SAMPLED), trace_state.with_opentelemetry(state, {**own, "th": limit.th})
    own = {key: value for key, value in own.items() if key != "th"} if believed else {}
    return _flagged(traceparent, _NOT_SAMPLED), state if own == given else trace_state.with_opentelemetry(state, own)


def _flagged(traceparent: bytes, digits: Mapping[bytes, bytes]) -> bytes:
    last = traceparent[54:55]
    return traceparent[:54] + digits.get(last, last) + traceparent[55:]
