"""One row of the flight recorder: what is kept of a received call, of an attempt, or of a call that made several attempts.

A row has 128 bytes, little-endian, and is written by a single `struct.pack_into`. Its number stands in it twice, first and last: a reader
that finds two different ones has met a row that is being written. Times are microseconds after the row's `base`, which is seconds of the
process' monotonic clock. Times of two processes are never compared, so a clock that is off, drifts or jumps changes no duration.

In the file a mark is a float of seconds, since an integer of microseconds takes three times as long to make. It is exact to a microsecond
for 16 s, and to seven digits after that.
"""

import struct
from enum import IntEnum
from mmap import mmap
from typing import Any, Final, NamedTuple

SIZE: Final = 128
"""Bytes of a row."""

LAYOUT: Final = struct.Struct("<I BBBB d 52s II HHHH 8f II I")
"""number; kind, code, flags, attempt; base; trace and span; serial, branch; method, peer, tenant, reason; marks; sizes; number."""

NEVER: Final = -1.0
"""In the file, the mark that the call did not come to."""

FLAGS_AT: Final = 6
"""Where the flags are, in bytes from the start of a row."""

TRACE_ID_AT: Final = 19
"""Where the 32 hex digits of the trace are."""

KIND_AT: Final = 4
SERIAL: Final = struct.Struct("<I")
SERIAL_AT: Final = 68
"""Where kind and serial number are."""

NOT_REACHED: Final = 0xFFFF_FFFF
"""A mark that the call did not come to."""

LONGEST: Final = 0xFFFF_FFFE
"""Microseconds (71 minutes) that a mark says at most."""

NUMBERS: Final = 0xFFFF_FFFF
"""Rows are numbered from 1 to this, and then anew: 0 is a row that was never written."""

MARKS: Final = 8


class Kind(IntEnum):
    """What a row is about."""

    SERVER = 1
    """A received call, from its head to its answer."""
    ATTEMPT = 2
    """One attempt of a client, on one connection or on none."""
    CALL = 3
    """A client's call that made several attempts, or none."""


class ServerMark(IntEnum):
    """The marks of a received call; its base is when its head was read."""

    RECEIVED = 0
    """The request was read to its end."""
    ADMITTED = 1
    """The call was let in: it waits for nothing but its turn."""
    STARTED = 2
    """Its task ran for the first time."""
    HANDLER_BEGAN = 3
    HANDLER_ENDED = 4
    WRITTEN = 5
    """The answer was handed to the connection."""


class ClientMark(IntEnum):
    """The marks of an attempt, and of a call; the base of both is when the call began."""

    BEGAN = 0
    """The attempt began."""
    CONNECTED = 1
    """It had a place on a connection."""
    WRITTEN = 2
    """The request was handed to the connection."""
    ANSWERED = 3
    """The head of the answer was read."""
    READ = 4
    """The answer was read to its end."""
    RESUMED = 5
    """The caller's task went on."""


SAMPLED: Final = 1
"""Flag: the trace is sampled."""
KEPT: Final = 2
"""Flag: the call was slow or failed, or a hop below it was."""
STREAM: Final = 4
"""Flag: requests or answers stream."""
CRITICALITY_SHIFT: Final = 3
"""The criticality, less 1, is in the two bits of the flags from here."""
REMOTE: Final = 32
"""Flag: the code came from the other side. Without it an error was decided in this process."""

UNKNOWN_CODE: Final = 255
"""The code of a call whose end is not known."""


class Row(NamedTuple):
    """A row as it is packed. The names are indexes into the names of its ring."""

    number: int
    kind: int
    code: int
    flags: int
    attempt: int
    """How many attempts came before this one; of a `CALL` how many were made."""
    base: float
    trace_and_span: bytes
    """The first 52 bytes of a `traceparent` header: version, trace and span in hex. The span is the caller's attempt, in the row of the
    attempt and in the row of the server that received it: this is what joins them."""
    serial: int
    """Of a received call its serial number in this process; of a client's call that of the received call it was made for, or 0."""
    branch: int
    """The task that runs the handler, or that issued the client's call: what one task does is done one after the other."""
    method: int
    peer: int
    tenant: int
    reason: int
    """Of a rejection: role and reason, such as `admission/QUEUE_FULL`."""
    marks: tuple[int, ...]
    request_size: int
    response_size: int

    @property
    def trace_id(self) -> str:
        """32 hex digits; empty for a call without a trace, or with something else in its place."""
        return _hex(self.trace_and_span[3:35])

    @property
    def span_id(self) -> str:
        """16 hex digits, or nothing."""
        return _hex(self.trace_and_span[36:52])

    def seconds(self, mark: int) -> float | None:
        """Seconds from the base to `mark`; None if the call did not come to it."""
        microseconds = self.marks[mark]
        return None if microseconds == NOT_REACHED else microseconds / 1e6

    def flag(self, flag: int) -> bool:
        """Whether `flag` is set."""
        return self.flags & flag != 0

    @property
    def criticality(self) -> int:
        """1 (SHEDDABLE) to 4 (CRITICAL_PLUS)."""
        return (self.flags >> CRITICALITY_SHIFT & 3) + 1


def unpacked(buffer: bytes | memoryview | mmap, offset: int = 0) -> Row | None:
    """The row at `offset`; None if there is none yet, or if it is being written."""
    values: tuple[Any, ...] = LAYOUT.unpack_from(buffer, offset)
    if values[0] == 0 or values[0] != values[-1]:
        return None
    # What no writer writes, such as NaN, is in files all the same.
    marks = tuple(round(min(LONGEST, mark * 1e6)) if mark >= 0 else NOT_REACHED for mark in values[13 : 13 + MARKS])
    return Row._make((*values[:13], marks, values[-3], values[-2]))


def _hex(digits: bytes) -> str:
    """`digits`, if they are nothing else: a caller may send what it likes."""
    return digits.decode() if digits.isalnum() and not digits.strip(b"0123456789abcdef") else ""


def mark_after(base: float, time: float) -> int:
    """`time` as a mark of a row with `base`; 0 stands for a time that is not known."""
    if not time:
        return NOT_REACHED
    return max(0, min(LONGEST, int((time - base) * 1e6)))
