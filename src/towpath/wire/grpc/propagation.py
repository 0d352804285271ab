"""The request context on the wire: which fields carry it, how a client writes them and a server reads them.

Fields that vary from call to call are literals without indexing, so that they neither grow nor churn the peer's dynamic table. What a
server reads is taken as it comes; what to believe of it is for the edge to decide (tenant and criticality from outside the trust boundary).

A tenant or an idempotency key that is malformed, or comes twice, refuses the call: cut, mended or chosen it could be another's, and with it
the answer. What only describes a call (criticality, attempts, request id, trace) counts as not sent if it is malformed or comes twice.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from towpath.core import clock
from towpath.core.context import CRITICAL, KEY_RULE, TENANT_RULE, Context, Criticality, is_key, is_tenant
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import EMPTY
from towpath.core.trace import TraceContext, cohort_of
from towpath.wire.grpc import metadata as metadata_codec
from towpath.wire.grpc import timeout as timeout_codec
from towpath.wire.hpack import literal, literal_prefix
from towpath.wire.http.fields import Field

_timeouts: dict[int, bytes] = {}
_MOST_TIMEOUTS: Final = 1024
_TIMEOUT_OF_LENGTH: Final = [literal_prefix(b"grpc-timeout") + bytes((length,)) for length in range(10)]
_TRACEPARENT: Final = literal_prefix(b"traceparent") + bytes((55,))  # version 00 has one length
_CRITICALITIES: Final = {level.name.encode(): level for level in Criticality}
_CRITICALITY_LITERALS: Final = {level: literal(b"towpath-criticality", level.name.encode()) for level in Criticality}
_TIMEOUT_NAME: Final = len(literal_prefix(b"grpc-timeout"))
_MOST_DIGITS: Final = 8
_LONGEST_CONNECT_TIMEOUT: Final = 10**10 - 1  # milliseconds; Connect has ten digits
_PLAIN: Final = 100  # bytes; a tenant of fewer letters and digits is well-formed
_REQUEST_ID: Final = re.compile(rb"[\x20-\x7e]{1,128}")


def literals(ctx: Context, implied: Criticality = CRITICAL) -> bytes:
    """The context as literal fields, in the order in which a server finds them fastest. A deadline that has passed goes out as zero, for
    the server to refuse. The trace goes along if the context was given one: a bare channel starts none. `implied` is the criticality
    that the contract gives the method: a server that hears of none takes that one."""
    deadline = ctx.deadline
    if deadline is None:
        out = b""
    else:
        seconds = deadline - clock.now()
        milliseconds = int(seconds * 1e3)
        out = _timeouts.get(milliseconds) or _timeout(seconds, milliseconds)
    trace = ctx.own_trace
    if trace is None and ctx.own_traceparent:
        trace = ctx.trace
    if trace is not None:
        out += _TRACEPARENT + trace.traceparent
        if trace.state:
            out += literal(b"tracestate", trace.state.encode("latin-1"))
    if ctx.criticality is not implied:
        out += _CRITICALITY_LITERALS[ctx.criticality]
    if ctx.tenant:
        out += literal(b"towpath-tenant", ctx.tenant.encode())
    if ctx.attempt:
        out += literal(b"grpc-previous-rpc-attempts", b"%d" % ctx.attempt)
    if ctx.idempotency_key:
        out += literal(b"idempotency-key", ctx.idempotency_key.encode())
    if ctx.own_request_id:
        out += literal(b"x-request-id", ctx.own_request_id.encode())
    if ctx.metadata is not EMPTY:
        out += metadata_codec.encode(ctx.metadata)
    return out


def connect_literals(ctx: Context, implied: Criticality = CRITICAL) -> bytes:
    """The same for Connect, which has a field of its own for the deadline: whole milliseconds, rounded up as gRPC's are."""
    out = literals(ctx, implied)
    deadline = ctx.deadline
    if deadline is None:
        return out
    rest = out[_TIMEOUT_NAME + 1 + out[_TIMEOUT_NAME] :]  # the timeout comes first: its name, the length of its value, the value
    seconds = deadline - clock.now()
    milliseconds = min(int(seconds * 1e3) + 1, _LONGEST_CONNECT_TIMEOUT) if seconds > 0 else 0
    return literal(b"connect-timeout-ms", b"%d" % milliseconds) + rest


def _timeout(seconds: float, milliseconds: int) -> bytes:
    """The field for a remaining time, remembered where the time in milliseconds says all: most calls have a method's whole timeout left."""
    value = timeout_codec.encode(seconds)
    field = _TIMEOUT_OF_LENGTH[len(value)] + value
    if value.endswith(b"m") and len(_timeouts) < _MOST_TIMEOUTS:
        _timeouts[milliseconds] = field
    return field


class Inherited:
    """What the fields of a head say about the context; kept with a head that recurs, and added to by the literals of each call. Where
    they name no criticality, or one that nobody knows, `implied` holds. `fault` says what is wrong with the tenant or the idempotency key,
    and is empty if nothing is; `level` and `attempts` are the fields of criticality and attempt as they came."""

    __slots__ = (
        "attempt",
        "attempts",
        "criticality",
        "fault",
        "idempotency_key",
        "implied",
        "level",
        "metadata",
        "request_id",
        "tenant",
        "timeout",
        "traceparent",
        "tracestate",
    )

    def __init__(self, fields: Iterable[Field], implied: Criticality = CRITICAL) -> None:
        self.implied = implied
        self.timeout: bytes = b""
        self.traceparent: bytes = b""
        self.tracestate: str = ""
        self.level: bytes = b""
        self.tenant = ""
        self.request_id = ""
        self.attempts: bytes = b""
        self.idempotency_key = ""
        self.fault = ""
        request_id: bytes = b""
        rest: list[Field] = []
        for name, value in fields:
            if name == b"grpc-timeout":
                self.timeout = value
            elif name == b"connect-timeout-ms":
                # Up to ten digits, two more than gRPC has.
                self.timeout = value + b"m" if len(value) <= _MOST_DIGITS else value[:-3] + b"S"
            elif name == b"traceparent":
                self.traceparent = value if not self.traceparent else _joined(self.traceparent, value)
            elif name == b"tracestate":
                state = value.decode("latin-1")
                self.tracestate = f"{self.tracestate},{state}" if self.tracestate and state else self.tracestate or state
            elif name == b"towpath-criticality":
                self.level = value if not self.level else _joined(self.level, value)
            elif name == b"towpath-tenant":
                if value.isalnum() and len(value) < _PLAIN and not self.tenant:  # as most are: 1 us less (measured)
                    self.tenant = value.decode("ascii")
                else:
                    self._tenant(value)
            elif name == b"grpc-previous-rpc-attempts":
                self.attempts = _joined(self.attempts, value)
            elif name == b"idempotency-key":
                self._key(value)
            elif name == b"x-request-id":
                request_id = value if not request_id else b"\0"  # which is none
            else:
                rest.append((name, value))
        self.criticality = _CRITICALITIES.get(self.level, implied) if self.level else implied
        self.attempt = _attempts(self.attempts) if self.attempts else 0
        if request_id and _REQUEST_ID.fullmatch(request_id):
            self.request_id = request_id.decode("ascii")
        self.metadata = metadata_codec.decode(rest)

    def _tenant(self, value: bytes) -> None:
        try:
            tenant = value.decode()
        except UnicodeDecodeError:
            tenant = ""
        if self.tenant or not is_tenant(tenant):
            self.fault = f"towpath-tenant is not one field of {TENANT_RULE}"
        self.tenant = tenant

    def _key(self, value: bytes) -> None:
        key = value.decode("latin-1")
        if self.idempotency_key or not is_key(key):
            self.fault = f"idempotency-key is not one field of {KEY_RULE}"
        self.idempotency_key = key


def _joined(before: bytes, value: bytes) -> bytes:
    """A field that came again, behind what came before it. No field holds a line break, so what has come twice is well-formed nowhere."""
    return before + b"\n" + value if before else value


def standing(base: Inherited, extra: Sequence[Field]) -> tuple[Criticality, int, int]:
    """Criticality, attempts before and cohort of a call, from its fields as they are: what a server that refuses it has to know."""
    criticality, attempt, traceparent = base.criticality, base.attempt, base.traceparent
    level, attempts = base.level, base.attempts
    for name, value in extra:
        if name == b"traceparent":
            traceparent = _joined(traceparent, value)
        elif name == b"towpath-criticality":
            level = _joined(level, value)
            criticality = _CRITICALITIES.get(level, base.implied)
        elif name == b"grpc-previous-rpc-attempts":
            attempts = _joined(attempts, value)
            attempt = _attempts(attempts)
    return criticality, attempt, cohort_of(traceparent)


def _attempts(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else 0


def received(
    method: str, base: Inherited, base_fields: tuple[Field, ...], extra: Sequence[Field], peer: str, fallback: float | None
) -> Context:
    """The context of a received call: `base` from the recurring head, `extra` its literals, `fallback` the timeout in seconds if none came.

    Raises RpcError (INVALID_ARGUMENT) if `grpc-timeout`, the tenant or the idempotency key is malformed: guessing one would be worse than
    refusing the call.
    """
    timeout, traceparent = base.timeout, base.traceparent
    for name, value in extra:
        if name == b"grpc-timeout":
            timeout = value
        elif name == b"traceparent":
            traceparent = value if not traceparent else _joined(traceparent, value)
        else:
            base = Inherited((*base_fields, *extra), base.implied)
            timeout, traceparent = base.timeout, base.traceparent
            break
    if base.fault:
        raise RpcError(Code.INVALID_ARGUMENT, base.fault)
    arrived = clock.now()
    deadline: float | None = None
    if timeout:
        try:
            deadline = arrived + timeout_codec.decode(timeout)
        except ValueError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from None
    elif fallback is not None:
        deadline = arrived + fallback
    trace = TraceContext.received(traceparent, base.tracestate) if base.tracestate else None
    ctx = Context(
        method, deadline, base.criticality, base.tenant, base.metadata, peer, trace, traceparent, base.request_id, None, base.attempt
    )
    ctx.arrived = arrived
    if base.idempotency_key:
        ctx.idempotency_key = base.idempotency_key
    return ctx
