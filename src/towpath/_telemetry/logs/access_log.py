"""The access log: a line for some of the calls, in the logger `towpath.access`.

Of calls that succeed, one in a hundred has a line. Which ones, the trace id decides by OpenTelemetry's rule for sampling (its last 56 bits
are compared with a threshold). So all hops of one trace agree, and a trace that has a line at one has it at all of them. Calls that fail,
and calls that take long, have a line in any case, as far as a budget of lines goes: a flood of failures is no flood of lines. How many
lines the budget left out is said by the next line. The first failure of a method with a code has its line within every minute.

A call without a line pays for a compare of its trace id and of its duration. A process has one access log at most, which `towpath.run`
makes, so that tests and scripts have none.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal

from towpath._core import chance, clock
from towpath._core.context import Context
from towpath._core.decisions import reason_of
from towpath._core.disclosure.redaction import shown_metadata
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.outcome import code_of_end
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._telemetry.logs.console_format import ACCESS
from towpath._telemetry.logs.line_budget import LineBudget

Side = Literal["server", "client"]

_BLAMED: Final = frozenset((Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS))
"""The codes that are faults of a server by OpenTelemetry's conventions. Their lines are warnings."""

_AGAIN: Final = 60.0
"""Seconds after which the next failure of a method with a code has a line whatever the budget."""

_LOW_BITS: Final = slice(21, 35)
"""The last 56 bits of the trace id in a `traceparent`, as hex digits."""

log: Final = logging.getLogger(ACCESS)


@dataclass(frozen=True, kw_only=True)
class AccessOptions:
    """Which calls have a line."""

    server: bool = True
    """Whether received calls have lines."""
    client: bool = False
    """Whether calls to others have lines; one for a call with all of its attempts."""
    rate: float = 0.01
    """The share of calls that have a line though they succeeded and were quick, 0 to 1."""
    slow: float | None = 1.0
    """How long a call that is no stream may take without a line."""
    max_per_second: int = 50
    """Lines a second for calls that failed or were slow, and as many again for all others."""
    metadata: tuple[str, ...] = ()
    """The metadata whose values a line has. No others are shown, and no credential is."""


class AccessLog:
    """The access log of one process. `options` may be replaced by `configure` while calls are under way."""

    def __init__(self, options: AccessOptions) -> None:
        self.configure(options)

    def configure(self, options: AccessOptions) -> None:
        """Take `options` for the calls that end from now on."""
        self.options = options
        self.rate = options.rate
        self.threshold = _threshold(options.rate)
        self.slow = inf if options.slow is None else options.slow
        self._chosen = LineBudget(options.max_per_second)
        self._noticed = LineBudget(options.max_per_second)
        self._last: dict[tuple[str, Code], float] = {}

    def layer(self, side: Side) -> "AccessLayer | None":
        """The layer that writes the lines of one side; None if that side has none."""
        return AccessLayer(self, side) if getattr(self.options, side) else None

    def succeeded(self, side: Side, ctx: Context, began: float, seconds: float, *, slow: bool) -> None:
        """Write the line of a call that was chosen, or was slow, if there is one left for it."""
        left_out = (self._noticed if slow else self._chosen).take(clock.now())
        if left_out is not None:
            self._write(logging.WARNING if slow else logging.INFO, _Line(side, ctx.method, "OK", seconds, left_out), ctx, began)

    def failed(self, side: Side, ctx: Context, began: float, error: BaseException) -> None:
        """Write the line of a call that ended with `error`, if there is one left for it."""
        now = clock.now()
        code = code_of_end(error, expired=ctx.expired())
        left_out = self._left_out(ctx.method, code, now)
        if left_out is not None:
            self._write(_level(code), _Line(side, ctx.method, code.name, now - began, left_out), ctx, began, error)

    def unseen(self, method: str, code: Code, seconds: float) -> None:
        """Write the line of a received call that ended before the stack saw it, if there is one left for it."""
        left_out = self._left_out(method, code, clock.now())
        if left_out is not None:
            self._write(_level(code), _Line("server", method, code.name, seconds, left_out), None, 0.0)

    def _left_out(self, method: str, code: Code, now: float) -> int | None:
        if now - self._last.get((method, code), -inf) >= _AGAIN:
            self._last[method, code] = now
            return self._noticed.left_out()
        return self._noticed.take(now)

    def _write(self, level: int, line: "_Line", ctx: Context | None, began: float, error: BaseException | None = None) -> None:
        if not log.isEnabledFor(level):
            return
        # A handler of the application's logging that raises fails no call.
        with suppress(Exception):
            fields = line.fields()
            if ctx is not None:
                fields |= _of_call(ctx, line.side, began, self.options.metadata)
            cause = None if error is None else first_cause(error)
            if isinstance(cause, RpcError) and (reason := reason_of(cause)):
                fields["reason"] = reason
            record = logging.getLogRecordFactory()(ACCESS, level, __file__, 0, line.text(fields), (), None)
            record.__dict__.update(fields)
            log.handle(record)


@dataclass(frozen=True, slots=True)
class _Line:
    side: Side
    method: str
    code: str
    seconds: float
    left_out: int

    def fields(self) -> dict[str, Any]:
        fields = {"method": self.method, "side": self.side, "code": self.code, "duration_ms": round(self.seconds * 1000, 3)}
        if self.left_out:
            fields["left_out"] = self.left_out
        return fields

    def text(self, fields: dict[str, Any]) -> str:
        """The line for people: method without package, code, milliseconds, and what is out of the ordinary."""
        parts = [f"{'to ' if self.side == 'client' else ''}{self.method.rpartition('.')[2]} {self.code} {self.seconds * 1000:.1f} ms"]
        if (queued := fields.get("queued_ms", 0.0)) >= 1:
            parts.append(f"queued {queued:.1f} ms")
        if (attempts := fields.get("attempts", 1)) > 1:
            parts.append(f"{attempts} attempts")
        if self.left_out:
            parts.append(f"{self.left_out} more not logged")
        return ", ".join(parts)


class AccessLayer:
    """The layer of one side: it tells the access log how each call ended."""

    role = "access_log"

    def __init__(self, access: AccessLog, side: Side) -> None:
        self._access = access
        self._side: Side = side

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role."""
        access, side, now = self._access, self._side, clock.now
        streams, draw = method.kind is not MethodKind.UNARY, chance.generator().random

        async def handle(request: Any, ctx: Context) -> Any:
            began = now()
            try:
                response = await following(request, ctx)
            except BaseException as error:
                access.failed(side, ctx, began, error)
                raise
            seconds = now() - began
            slow = seconds >= access.slow and not streams
            trace = ctx.raw_traceparent or (ctx.cached_trace.traceparent if ctx.cached_trace is not None else b"")
            if slow or (trace[_LOW_BITS] >= access.threshold if trace else draw() < access.rate):
                access.succeeded(side, ctx, began, seconds, slow=slow)
            return response

        return handle

    def on_unstarted(self, method: MethodSpec[Any, Any]) -> Callable[[Code, float], None]:
        """A function that is told of a call of `method` which ended before this layer saw it."""
        access, name = self._access, method.full_name
        return lambda code, seconds: access.unseen(name, code, seconds)


def _threshold(rate: float) -> bytes:
    """What the last 56 bits of the trace id of a chosen call are not below (OpenTelemetry's consistent probability sampling)."""
    below = round((1 - rate) * 2**56)
    return b"%014x" % below if below < 2**56 else b"g"  # above all hex digits


def _level(code: Code) -> int:
    return logging.WARNING if code in _BLAMED else logging.INFO


def _of_call(ctx: Context, side: Side, began: float, metadata: tuple[str, ...]) -> dict[str, Any]:
    trace = ctx.trace
    fields: dict[str, Any] = {"trace_id": trace.trace_id, "span_id": trace.span_id, "request_id": ctx.request_id}
    for name in ("tenant", "peer", "caller"):
        if value := getattr(ctx, name):
            fields[name] = value
    if side == "client":
        fields["attempts"] = getattr(ctx, "_latest", ctx).attempt + 1
    elif ctx.attempt:
        fields["attempt"] = ctx.attempt
    if ctx.server is not None and side == "server":
        fields["queued_ms"] = round(max(0.0, began - ctx.server.arrived) * 1000, 3)
    if metadata:
        fields |= {f"metadata.{name}": value for name, value in shown_metadata(ctx.metadata, metadata).items()}
    return fields


class _Process:
    access: AccessLog | None = None


_process: Final = _Process()


def use(access: AccessLog | None) -> None:
    """Make `access` the access log of this process: stacks that are composed from now on have its layers."""
    _process.access = access


def layers_of(side: Side) -> tuple[AccessLayer, ...]:
    """The layers of the process' access log for one side: one or none."""
    layer = None if _process.access is None else _process.access.layer(side)
    return () if layer is None else (layer,)
