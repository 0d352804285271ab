"""Trace identity as W3C Trace Context has it (https://www.w3.org/TR/trace-context/): which tree of calls this work belongs to.

Only identity lives here; recording spans is telemetry's business. Ids are kept as the hexadecimal text that headers and logs need.
"""

import random
import re
from typing import Final

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
_bits = random.Random().getrandbits  # seeded by the operating system; ids need to be unique, not secret


def _new_span_id() -> str:
    return (_bits(64) or 1).to_bytes(8, "big").hex()


class TraceContext:
    """The trace of one hop: `trace_id` (32 hex digits, the same along the whole call tree), `span_id` (16 hex digits, this hop),
    `parent_id` (the hop that called, or empty at the root), `sampled`, and the vendors' `state` passed through untouched."""

    __slots__ = ("parent_id", "sampled", "span_id", "state", "trace_id")

    trace_id: Final[str]
    span_id: Final[str]
    parent_id: Final[str]
    sampled: Final[bool]
    state: Final[str]

    # `sampled` is positional as the others are: making an object with keywords is slow, see `Context`.
    def __init__(self, trace_id: str, span_id: str, parent_id: str = "", sampled: bool = False, state: str = "") -> None:  # noqa: FBT002
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.sampled = sampled
        self.state = state

    @staticmethod
    def root() -> "TraceContext":
        """A new trace, for work that nobody called."""
        # Both ids at once, and through bytes: formatting a large integer takes three times as long (measured). That either is all zeros,
        # which is no id, happens once in 2**64 traces.
        ids = _bits(192).to_bytes(24, "big").hex()
        return TraceContext(ids[:32], ids[32:])

    @staticmethod
    def received(traceparent: bytes, state: str = "") -> "TraceContext":
        """The hop that a `traceparent` header asks for: same trace, own span. A header that is malformed or all zeros starts a new
        trace and drops the state, as the specification demands."""
        match = _TRACEPARENT.fullmatch(traceparent)
        if match is None:
            return TraceContext.root()
        version, trace_id, parent_id, flags, future = match.groups()
        if version == b"ff" or (version == b"00" and future) or trace_id == _NO_TRACE or parent_id == _NO_SPAN:
            return TraceContext.root()
        return TraceContext(trace_id.decode(), _new_span_id(), parent_id.decode(), int(flags, 16) & 1 != 0, state)

    def child(self) -> "TraceContext":
        """The next hop down: same trace, new span, this one as parent."""
        return TraceContext(self.trace_id, _new_span_id(), self.span_id, self.sampled, self.state)

    def traceparent(self) -> bytes:
        """The header that announces this hop's span to whom it calls."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}".encode()

    def __repr__(self) -> str:
        return f"TraceContext({self.traceparent().decode()!r})"
