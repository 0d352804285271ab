"""Puts the rows of several processes together to traces.

Two rows are joined by what they hold of causality, and never by their times: the row of an attempt and that of the server which received it
have the same trace and span, and a client's row has the serial number of the received call that it was made for. Rows may be missing, stand
twice, or say what cannot be, such as a call that is its own caller. Whatever they say, each row is in exactly one trace, once, and the time
that this takes grows with the number of rows alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from towpath._telemetry.flight_recorder.ring import Recording
from towpath._telemetry.flight_recorder.row import Kind, Row
from towpath._telemetry.traces.model import Attempt, ClientCall, ReceivedCall, Root, Trace

_LATEST: Final = 1e12
"""Seconds that a monotonic clock says at most: 30,000 years."""

_NO_TRACE: Final = bytes(32)
"""In place of its trace, in the row of a call that has none."""

_SERVER, _ATTEMPT, _CALL = (int(kind) for kind in Kind)
_CLIENTS: Final = (_ATTEMPT, _CALL)

_Serial = tuple[int, int]
"""A process, and the serial number of a received call."""
_CallKey = tuple[int, bytes, int, int, float, str]
"""A process, a trace, a serial number, a branch, when the call began, and its method."""


def assembled(processes: Iterable[Sequence[Recording]]) -> list[Trace]:
    """The traces that the rows belong to, in the order in which the first row of each was met.

    Each item of `processes` is what was recorded by one process: its ring, and the one of kept rows if it has such. A row that is in both
    counts once.
    """
    rows = _Rows()
    for process, recordings in enumerate(processes):
        _collect(rows, process, recordings)
    _give_to_callers(rows)
    _give_to_attempts(rows)
    roots: list[Root] = [call for call in rows.calls.values() if call.caller is None]
    roots += [received for received in rows.received if received.attempt is None]
    roots += _out_of_circles(rows, roots)
    return _by_trace(rows, roots)


@dataclass(slots=True)
class _Rows:
    """What was made of single rows, and how to find it."""

    received: list[ReceivedCall] = field(default_factory=list[ReceivedCall])
    by_serial: dict[_Serial, ReceivedCall] = field(default_factory=dict[_Serial, ReceivedCall])
    by_span: defaultdict[bytes, list[ReceivedCall]] = field(default_factory=lambda: defaultdict[bytes, list[ReceivedCall]](list))
    calls: dict[_CallKey, ClientCall] = field(default_factory=dict[_CallKey, ClientCall])
    attempts: defaultdict[bytes, list[Attempt]] = field(default_factory=lambda: defaultdict[bytes, list[Attempt]](list))
    call_of: dict[Attempt, ClientCall] = field(default_factory=dict[Attempt, ClientCall])
    traces: dict[ReceivedCall | ClientCall, bytes] = field(default_factory=dict[ReceivedCall | ClientCall, bytes])


def _collect(rows: _Rows, process: int, recordings: Sequence[Recording]) -> None:
    seen = set[tuple[object, ...]]()
    for recording in recordings:
        for row in recording.rows:
            if not abs(row.base) < _LATEST:  # no clock says this, and NaN least of all
                continue
            if len(recordings) > 1:
                # Not the number, which is the ring's own, nor the flags: a row is kept because of what became known later.
                same = (row.kind, row.trace_and_span, row.serial, row.branch, row.base, row.attempt, row.marks)
                if same in seen:
                    continue
                seen.add(same)
            if row.kind == _SERVER:
                _add_received(rows, process, recording, row)
            elif row.kind in _CLIENTS:
                _add_client(rows, process, recording, row)


def _add_received(rows: _Rows, process: int, recording: Recording, row: Row) -> None:
    received = ReceivedCall(
        recording.service,
        recording.process,
        recording.name(row.method),
        row.code,
        row.flags,
        row.base,
        recording.time_of_day + row.base - recording.monotonic,
        row.branch,
        row.marks,
        row.span_id,
        recording.name(row.peer),
        recording.name(row.tenant),
        recording.name(row.reason),
        row.request_size,
        row.response_size,
    )
    trace = row.trace_and_span[3:35]
    rows.received.append(received)
    rows.traces[received] = trace
    rows.by_serial[process, row.serial] = received
    if trace != _NO_TRACE:
        rows.by_span[row.trace_and_span].append(received)


def _add_client(rows: _Rows, process: int, recording: Recording, row: Row) -> None:
    trace, method = row.trace_and_span[3:35], recording.name(row.method)
    key = (process, trace, row.serial, row.branch, row.base, method)
    call = rows.calls.get(key)
    if call is None:
        began_at = recording.time_of_day + row.base - recording.monotonic
        call = rows.calls[key] = ClientCall(recording.service, recording.process, method, row.base, began_at, row.branch)
        rows.traces[call] = trace
    if row.kind == _CALL:
        call.made, call.call_code, call.call_marks, call.reason = row.attempt, row.code, row.marks, recording.name(row.reason)
        return
    peer, reason = recording.name(row.peer), recording.name(row.reason)
    attempt = Attempt(row.attempt, row.code, row.flags, row.marks, row.span_id, peer, reason)
    call.attempts.append(attempt)
    rows.call_of[attempt] = call
    rows.attempts[row.trace_and_span].append(attempt)


def _give_to_callers(rows: _Rows) -> None:
    """Each client's call to the received call that it was made for."""
    for (process, trace, serial, *_), call in rows.calls.items():
        call.attempts.sort(key=lambda attempt: attempt.number)
        caller = rows.by_serial.get((process, serial)) if serial else None
        if caller is not None and rows.traces[caller] in {trace, _NO_TRACE}:
            call.caller = caller
            caller.calls.append(call)
    for received in rows.received:
        received.calls.sort(key=lambda call: call.base)


def _give_to_attempts(rows: _Rows) -> None:
    """Each received call to the attempt that it came by. Where several have one span, the longest goes to the longest."""
    for span, received in rows.by_span.items():
        attempts = rows.attempts.get(span)
        if attempts is None:
            continue
        if len(received) > 1:
            received.sort(key=lambda call: call.duration, reverse=True)
            attempts = sorted(attempts, key=lambda attempt: attempt.window[1] - attempt.window[0], reverse=True)
            if len(attempts) == 1:
                _fitting_first(received, attempts[0])
        for attempt, call in zip(attempts, received, strict=False):
            attempt.received = call
            call.attempt = attempt
        for call in received[len(attempts) :]:
            attempts[0].also_received.append(call)
            call.attempt = attempts[0]


def _fitting_first(received: list[ReceivedCall], attempt: Attempt) -> None:
    """Put in front which of `received`, longest first, is the longest that fits into the attempt; the shortest if none does."""
    start, end = attempt.window
    index = next((index for index, call in enumerate(received) if call.duration <= end - start), len(received) - 1)
    received.insert(0, received.pop(index))


def _out_of_circles(rows: _Rows, roots: Iterable[Root]) -> Iterator[Root]:
    """Make a root of one call in each circle of calls that are said to have made each other."""
    visited = set[ReceivedCall]()
    for root in roots:
        _visit(root, visited)
    for received in rows.received:
        if received in visited:
            continue
        way: dict[ReceivedCall, None] = {}
        at: ReceivedCall | None = received
        while at is not None and at not in way:
            way[at] = None
            at = None if at.attempt is None else rows.call_of[at.attempt].caller
        before = list(way)
        circle = before if at is None else before[before.index(at) :]
        first = max(circle, key=lambda call: call.duration)
        _detach(first)
        _visit(first, visited)
        yield first


def _detach(received: ReceivedCall) -> None:
    attempt = received.attempt
    if attempt is not None:
        if attempt.received is received:
            attempt.received = None
        else:
            attempt.also_received.remove(received)
    received.attempt, received.in_circle = None, True


def _visit(root: Root, visited: set[ReceivedCall]) -> None:
    """Add what is at and below `root`."""
    waiting: list[Root] = [root]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ReceivedCall):
            if at not in visited:
                visited.add(at)
                waiting += at.calls
        else:
            for attempt in at.attempts:
                if attempt.received is not None:
                    waiting.append(attempt.received)
                waiting += attempt.also_received


def _by_trace(rows: _Rows, roots: Iterable[Root]) -> list[Trace]:
    traces: dict[bytes, list[Root]] = {trace: [] for trace in rows.traces.values()}
    alone: list[Trace] = []
    for root in roots:
        trace = rows.traces[root]
        if trace == _NO_TRACE and isinstance(root, ReceivedCall):  # what it called may have begun a trace
            trace = next((rows.traces[call] for call in root.calls), _NO_TRACE)
        if trace == _NO_TRACE:
            alone.append(Trace("", [root]))
        else:
            traces[trace].append(root)
    for of_trace in traces.values():
        of_trace.sort(key=lambda root: root.duration, reverse=True)
    return [Trace(trace.decode("ascii", "replace"), of_trace) for trace, of_trace in traces.items() if of_trace] + alone
