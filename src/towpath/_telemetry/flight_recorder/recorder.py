"""The recorder of a process: it writes a row of each received call, of each attempt, and of each call that made several attempts or none.

Received calls and attempts are what most rows are about. Each costs one `struct.pack_into`, and nothing is computed that a plain call does
not need. Everything else, such as the row of a rejected call, is rare and takes the simple way.
"""

import asyncio
import sys
from asyncio import get_running_loop
from itertools import count
from typing import Any, Final

from towpath._core import clock
from towpath._core.calls.recording import ATTEMPTS, BEGAN, BRANCH, ENDED, KEPT, LAST, code_of, reason_in
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.propagation import sampling
from towpath._core.service import MethodKind, MethodSpec
from towpath._telemetry.flight_recorder.keeping import FIRST_DIGIT, Keeping, is_one_of_many
from towpath._telemetry.flight_recorder.names import Names
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import (
    CRITICALITY_SHIFT,
    LAYOUT,
    NEVER,
    NUMBERS,
    REMOTE,
    SAMPLED,
    SIZE,
    STREAM,
    Kind,
)

MASK: Final = 0xFFFF_FFFF
_pack: Final = LAYOUT.pack_into
_SERVER, _ATTEMPT, _CALL = (int(kind) for kind in Kind)

_CRITICALITY: Final = (0, *((number - 1) << CRITICALITY_SHIFT for number in range(1, 5)))
_SAMPLED: Final = tuple(SAMPLED if chr(digit) in "13579bdf" else 0 for digit in range(256))
"""For the last digit of a `traceparent`, whether the trace is sampled."""

_SHORTEST: Final = 55
"""Bytes of a `traceparent`, at least. A caller may send what it likes in its place."""

_OF_EARLY: Final = 16
"""Of calls that are rejected before they cost a task, one in so many leaves a row, and the first of each second."""

# `asyncio.current_task` is written in Python before 3.12, and takes as long as the row itself (287 ns, measured).
_tasks: Any = asyncio.tasks
task_of: Any = _tasks._current_tasks.get if sys.version_info < (3, 12) else asyncio.current_task  # noqa: SLF001
"""The current task of a loop."""


class Recorder:
    """The recorder of a process. It is for the event loop's thread."""

    def __init__(self, writer: Writer, *, keeping: Keeping | None = None) -> None:
        self.writer: Final = writer
        """The ring."""
        self.names: Final = Names(writer)
        """What rows refer to."""
        self.keeping: Final = Keeping(writer, self.names.addresses) if keeping is None else keeping
        """Which rows are kept."""
        self.next_serial: Final = count(1).__next__

    def received(self, method: MethodSpec[Any, Any], /, *, timed: bool = False) -> "Received":
        """What records the received calls of `method`. Their handlers are `timed` if layers around them may wait."""
        return Received(self, method, timed=timed)

    def attempts(self, method: MethodSpec[Any, Any], /) -> "Attempts":
        """What records the attempts of calls of `method`."""
        return Attempts(self, method)

    def begun(self, ctx: Context, /) -> None:
        """The current task begins a client's call."""
        ctx.call = [clock.now(), id(task_of(get_running_loop())) >> 4 & MASK, 0, 0, 0.0, False]

    def call_ended(self, ctx: Context, error: BaseException | None, /) -> None:
        """Write the row of a client's call that made several attempts or none, or whose one attempt does not say how it ended."""
        if not hasattr(ctx, "call"):  # a layer of the application's has made the context
            return
        call = ctx.call
        code = 0 if error is None else code_of(error, ctx).value
        if call[ATTEMPTS] == 1 and call[LAST] == code:
            return
        ended = clock.now() if error is not None or not call[ENDED] else call[ENDED]
        marks = (0.0, NEVER, NEVER, NEVER, NEVER, ended - call[BEGAN], NEVER, NEVER)
        reason = "" if error is None else reason_in(error)
        self.client_row(ctx, _CALL, code, (self.names.method(ctx.method), 0, reason, 0), call[ATTEMPTS], (*marks, 0, 0))
        if code:
            self.keeping.failed(self.writer.number, ctx, code)

    def client_row(
        self, ctx: Context, kind: int, code: int, names: tuple[int, int, str, int], attempt: int, marks_and_sizes: tuple[Any, ...], /
    ) -> None:
        """Write a client's row that is not the one of a plain attempt. `names` are those of method, peer and reason, and further flags."""
        method, peer, reason, flags = names
        call, trace = ctx.call, ctx.cached_trace
        raw = b"" if trace is None else trace.traceparent
        writer = self.writer
        writer.number = number = writer.number % NUMBERS + 1
        _pack(
            writer.buffer, writer.row_at(number), number, kind, code, flags_of(ctx, raw) | flags, min(255, attempt), call[BEGAN], raw,
            serial_of(ctx), call[BRANCH], method, peer, self.names.tenant(ctx.tenant), self.names.reason(reason), *marks_and_sizes, number,
        )  # fmt: skip


def flags_of(ctx: Context, raw: bytes) -> int:
    """What the flags say of the call itself."""
    return _CRITICALITY[ctx.criticality] | (_SAMPLED[raw[54]] if len(raw) > 54 else 0)


def serial_of(ctx: Context) -> int:
    """The serial number of the received call on whose behalf a client's call is made; 0 without one, or if it is not recorded."""
    server = ctx.server
    return 0 if server is None else getattr(server, "serial", 0) & MASK


class Received:
    """Records the received calls of one method."""

    __slots__ = ("_early", "_flags", "_keeping", "_method", "_name", "_names", "_second", "_timed", "_writer", "next_serial", "slow")

    def __init__(self, recorder: Recorder, method: MethodSpec[Any, Any], *, timed: bool) -> None:
        self._timed = timed
        self._writer = recorder.writer
        self._names = recorder.names
        self._keeping = recorder.keeping
        self._method = recorder.names.method(method.full_name)
        self._flags = 0 if method.kind is MethodKind.UNARY else STREAM
        self.slow = recorder.keeping.slow(method)
        """From when on they are slow."""
        self._early = 0
        self._second = 0.0
        self.next_serial = recorder.next_serial
        """The number of the next received call."""
        self._name = method.full_name

    def keeps(self, ctx: Context, code: int, /) -> bool:
        """Decide, once, whether a call is kept that is slow or has failed with `code`."""
        info, keeping = ctx.server, self._keeping
        if info is None:
            return False
        kept = info.kept = keeping.follows() if info.kept else keeping.wants(self._name, code)
        return kept

    def ended(
        self, ctx: Context, branch: int, code: int, times: tuple[float, float, float, float, float], request: int, response: int, /
    ) -> None:
        """Write the row of a call."""
        info: Any = ctx.server
        received, admitted, started, ended, written = times
        base = info.arrived
        if received and received < base:  # the call was postponed after it had come
            base = received
        raw, trace = ctx.raw_traceparent, ctx.cached_trace
        if trace is not None:
            if not trace.parent_id:  # it began here, with nothing in its header or with something that is no trace
                raw = trace.traceparent
        elif len(raw) < _SHORTEST and (code or info.kept or sampling.current is not None):
            raw = ctx.trace.traceparent  # a call that is kept or may be exported needs one, also if its handler did not
        names = self._names
        writer = self._writer
        writer.number = number = writer.number % NUMBERS + 1
        tenant = ctx.tenant
        began = started
        if self._timed and started:
            began, ended = getattr(info, "handler_began", 0.0), getattr(info, "handler_ended", 0.0)
        _pack(
            writer.buffer,
            writer.first_row + (number & writer.mask) * SIZE,
            number,
            _SERVER,
            code,
            self._flags | _CRITICALITY[ctx.criticality] | (_SAMPLED[raw[54]] if len(raw) > 54 else 0),  # INLINED: flags_of
            min(255, ctx.attempt) if ctx.attempt else 0,
            base,
            raw,
            info.serial & MASK,
            branch >> 4 & MASK,
            self._method,
            names.callers.get(ctx.peer) or names.caller(ctx.peer),
            names.tenant(tenant) if tenant else 0,
            names.reason(getattr(info, "reason", "")) if code else 0,
            received - base if received else NEVER,
            admitted - base if admitted else NEVER,
            started - base if started else NEVER,
            began - base if began else NEVER,
            ended - base if ended else NEVER,
            written - base if written else NEVER,
            NEVER,
            NEVER,
            request,
            response,
            number,
        )
        if code or info.kept or (len(raw) >= _SHORTEST and raw[21] == FIRST_DIGIT):
            self._keep(number, ctx, code, raw)
        if self.slow.count(written - base):
            self._keeping.counted(self.slow.looked_at)

    def _keep(self, number: int, ctx: Context, code: int, raw: bytes) -> None:
        """Keep a row and its children's, if that was decided or if it is now."""
        info, keeping = ctx.server, self._keeping
        if info is None:
            return
        kept = info.kept
        if kept is None and code:
            kept = self.keeps(ctx, code)
        elif kept and code == Code.CANCELLED:  # a server further down keeps it, and nobody was there to be told whether this one does
            kept = keeping.follows()
        if kept or (is_one_of_many(raw) and keeping.follows()):
            keeping.received(number, info.serial & MASK)

    def pinned(self, traces: bytes, /) -> None:
        """A caller keeps these traces, and asks for what is here of them."""
        self._keeping.told(traces)

    def rejected(self, extra: Any, peer: str, /) -> None:
        """Write the row of a call that was rejected before it cost a task, of one in 16 of them and of the first of each second."""
        self._early += 1
        now = clock.now()
        if self._early % _OF_EARLY and now - self._second < 1.0:
            return
        self._second = now
        raw = next((value for name, value in extra if name == b"traceparent"), b"")
        writer = self._writer
        writer.number = number = writer.number % NUMBERS + 1
        flags = self._flags | _CRITICALITY[3] | (_SAMPLED[raw[54]] if len(raw) > 54 else 0)
        caller = self._names.caller(peer)
        reason = self._names.reason("admission/EARLY")
        _pack(
            writer.buffer, writer.row_at(number), number, _SERVER, Code.RESOURCE_EXHAUSTED.value, flags, 0, now, raw,
            self.next_serial() & MASK, 0, self._method, caller, 0, reason, *(NEVER,) * 5, 0.0, NEVER, NEVER, 0, 0, number,
        )  # fmt: skip


class Attempts:
    """Records the attempts of one method's calls."""

    __slots__ = ("_flags", "_method", "_name", "_names", "_recorder", "_slow", "_writer", "pins", "take_pins")

    def __init__(self, recorder: Recorder, method: MethodSpec[Any, Any]) -> None:
        self._recorder = recorder
        self._writer = recorder.writer
        self._names = recorder.names
        self._method = recorder.names.method(method.full_name)
        self._flags = 0 if method.kind is MethodKind.UNARY else STREAM
        self._slow = recorder.keeping.slow(method)
        self.pins = recorder.keeping.pins.waiting
        """The servers that are to be told of traces."""
        self.take_pins = recorder.keeping.pins.take
        """What is to be told to the server with an address."""
        self._name = method.full_name

    def succeeded(self, ctx: Context, peer: str, times: tuple[float, float, float, float], request: int, response: int, /) -> None:
        """Write the row of an attempt with an answer, whose caller goes on now."""
        began, sent, answered, read = times
        try:
            call = ctx.call
        except AttributeError:  # a layer of the application's has made the context
            self._recorder.begun(ctx)
            call = ctx.call
        trace = ctx.cached_trace
        call[ATTEMPTS] += 1
        base = call[BEGAN]
        raw = b"" if trace is None else trace.traceparent
        server = ctx.server
        names = self._names
        tenant = ctx.tenant
        writer = self._writer
        writer.number = number = writer.number % NUMBERS + 1
        resumed = clock.now() - base
        sent -= base
        _pack(
            writer.buffer,
            writer.first_row + (number & writer.mask) * SIZE,
            number,
            _ATTEMPT,
            0,
            self._flags | _CRITICALITY[ctx.criticality] | (_SAMPLED[raw[54]] if raw else 0),  # INLINED: flags_of
            min(255, ctx.attempt) if ctx.attempt else 0,
            base,
            raw,
            0 if server is None else getattr(server, "serial", 0) & MASK,  # INLINED: serial_of
            call[BRANCH],
            self._method,
            names.servers.get(peer) or names.server(peer),
            names.tenant(tenant) if tenant else 0,
            0,
            began - base if ctx.attempt else 0.0,
            sent,
            sent,
            answered - base,
            read - base,
            resumed,
            NEVER,
            NEVER,
            request,
            response,
            number,
        )
        call[ENDED] = resumed + base
        if call[ATTEMPTS] != 1 or call[LAST]:
            self._recorder.call_ended(ctx, None)
        if raw and raw[21] == FIRST_DIGIT and is_one_of_many(raw):
            self._recorder.keeping.one_of_many(number)
        if server is None:  # nobody above it decides
            slow = self._slow
            if resumed > slow.after or call[KEPT]:
                self._recorder.keeping.root_ended(number, self._name, followed=call[KEPT])
            if slow.count(resumed):
                self._recorder.keeping.counted(slow.looked_at)

    def failed(self, ctx: Context, peer: str, times: tuple[float, float, float, float], request: int, error: BaseException, /) -> None:
        """Write the row of an attempt without one."""
        began, sent, answered, read = times
        if not hasattr(ctx, "call"):
            self._recorder.begun(ctx)
        call = ctx.call
        call[ATTEMPTS] += 1
        base = call[BEGAN]
        code = call[LAST] = code_of(error, ctx).value
        flags = self._flags | (REMOTE if answered and isinstance(error, RpcError) else 0)
        at = sent - base if sent else NEVER
        read_at = read - base if answered else NEVER
        answered_at = answered - base if answered else NEVER
        marks = (began - base if began else NEVER, at, at, answered_at, read_at, clock.now() - base, NEVER, NEVER)
        recorder = self._recorder
        names = (self._method, self._names.server(peer), reason_in(error), flags)
        recorder.client_row(ctx, _ATTEMPT, code, names, ctx.attempt, (*marks, min(MASK, request), 0))
        recorder.keeping.failed(self._writer.number, ctx, code)
        trace = ctx.cached_trace
        if trace is not None and is_one_of_many(trace.traceparent):
            recorder.keeping.one_of_many(self._writer.number)
        if call[ENDED] and call[ATTEMPTS] == 2:  # another attempt has won, which was alone until now
            recorder.call_ended(ctx, None)
