"""Trace identity as W3C Trace Context has it (https://www.w3.org/TR/trace-context/): which tree of calls this work belongs to.

Recording spans is left to telemetry. An identity is kept as the bytes of its header, since most calls need only the header.
"""

import re
from binascii import hexlify
from typing import Final

from towpath._core import chance
from towpath._core.propagation import sampling, trace_state
from towpath._core.propagation.span_ids import own_span_id

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16
_FLAGS: Final = 3
"""The flags that are passed on as they came: sampled, and that the trace id is random (level 2). The others mean nothing yet."""

SAMPLED: Final = frozenset({b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"})
"""The last digits of a `traceparent` of version 00 that is sampled."""

COHORTS: Final = {b"%02x" % last: last & 0x7F for last in range(256)}
"""The cohort for each last byte of a trace id, written as two hex digits."""


def _new_span_id() -> bytes:
    return hexlify((chance.bits(64) or 1).to_bytes(8, "big"))


def cohort_of(traceparent: bytes) -> int | None:
    """The cohort (0-127) from the last digits of the trace id in a `traceparent` header; None if they are no hex digits.

    This is the one rule for a call's cohort. It reads no more of the header, because an overloaded server applies it to calls that it
    rejects at once. All hops of a trace agree on it. A header that is malformed elsewhere starts another trace, so its cohort is this hop's
    alone.
    """
    return COHORTS.get(traceparent[33:35])


class TraceContext:
    """The trace of one hop."""

    __slots__ = ("parent_id", "state", "traceparent")

    traceparent: Final[bytes]
    """The header, of version 00, that this hop sends with the calls that it makes."""
    parent_id: Final[str]
    """The span of the hop that called this one: 16 hex digits, or empty at the root."""
    state: Final[str]
    """The vendors' `tracestate`, which is passed on: empty if what came is malformed, and at most 512 characters."""

    def __init__(self, traceparent: bytes, parent_id: str = "", state: str = "") -> None:
        self.traceparent = traceparent
        self.parent_id = parent_id
        self.state = state

    @property
    def trace_id(self) -> str:
        """32 hex digits, the same along the whole call tree."""
        return self.traceparent[3:35].decode()

    @property
    def span_id(self) -> str:
        """16 hex digits, this hop's own."""
        return self.traceparent[36:52].decode()

    @property
    def cohort(self) -> int:
        """0-127, the same along the whole call tree."""
        return COHORTS[self.traceparent[33:35]]

    @property
    def sampled(self) -> bool:
        """Whether the spans of this trace are exported: what its caller said, or the process's sampler where it began."""
        return self.traceparent[54:] in SAMPLED

    @staticmethod
    def root(method: str = "") -> "TraceContext":
        """A new trace, for work outside of any call, or for a call of `method`. Its flags say that its id is random, and whether the
        process's sampler has chosen it."""
        # Both ids are drawn at once and formatted as bytes: formatting a large integer takes three times as long (measured). An id of all
        # zeros is invalid, and comes up once in 2**64 traces.
        ids = b"00-" + hexlify(chance.bits(192).to_bytes(24, "big"), b"-", -16)
        sampler = sampling.current
        return TraceContext(ids + b"-02") if sampler is None else TraceContext._sampled_root(ids, sampler.threshold(method))

    @staticmethod
    def _sampled_root(ids: bytes, threshold: sampling.Threshold) -> "TraceContext":
        """The new trace with these `ids`, which is sampled if it is not below `threshold`."""
        return TraceContext(ids + b"-03", "", f"ot=th:{threshold.th}") if ids[21:35] >= threshold.digits else TraceContext(ids + b"-02")

    def root_of(self, method: str) -> "TraceContext":
        """This new trace as that of a call of `method`, which it was begun for before the method was known."""
        sampler = sampling.current
        return self if sampler is None else TraceContext._sampled_root(self.traceparent[:52], sampler.threshold(method))

    @staticmethod
    def received(traceparent: bytes, state: str = "", method: str = "") -> "TraceContext":
        """The hop that received a `traceparent` header with a call of `method`: the same trace, with a span of its own. A header that is
        malformed, or whose trace id or parent id is all zeros, starts a new trace and drops `state`, as the specification demands. A
        malformed `state` is dropped."""
        match = _TRACEPARENT.fullmatch(traceparent)
        if match is None:
            return TraceContext.root(method)
        version, trace_id, parent_id, flags, future = match.groups()
        if version == b"ff" or (version == b"00" and future) or trace_id == _NO_TRACE or parent_id == _NO_SPAN:
            return TraceContext.root(method)
        own = b"00-" + trace_id + b"-" + _new_span_id() + b"-%02x" % (int(flags, 16) & _FLAGS)
        return TraceContext(own, parent_id.decode(), trace_state.accepted(state) if state else "")

    def of_received(self, serial: int) -> "TraceContext":
        """This hop's trace with the span that the received call with the number `serial` has in the recorder's rows."""
        own = self.traceparent
        return TraceContext(own[:36] + b"%016x" % own_span_id(serial) + own[52:], self.parent_id, self.state)

    def child(self) -> "TraceContext":
        """The next hop down: the same trace, with a new span whose parent is this hop's."""
        own = self.traceparent
        return TraceContext(own[:36] + _new_span_id() + own[52:], own[36:52].decode(), self.state)

    def __repr__(self) -> str:
        return f"TraceContext({self.traceparent!r})"
