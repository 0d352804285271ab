"""The request context on the wire: which fields carry it, how a client writes them and a server reads them.

Fields that vary from call to call are literals without indexing, so that they neither grow nor churn the peer's dynamic table. What a
server reads is taken as it comes; what to believe of it is for the edge to decide (tenant and criticality from outside the trust boundary).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from towpath.core import clock
from towpath.core.context import CRITICAL, Context, Criticality
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import EMPTY
from towpath.core.trace import TraceContext, cohort_of
from towpath.wire.grpc import metadata as metadata_codec
from towpath.wire.grpc import timeout as timeout_codec
from towpath.wire.hpack import literal, literal_prefix

Field = tuple[bytes, bytes]

_timeouts: dict[int, bytes] = {}
_MOST_TIMEOUTS: Final = 1024
_TIMEOUT_OF_LENGTH: Final = [literal_prefix(b"grpc-timeout") + bytes((length,)) for length in range(10)]
_TRACEPARENT: Final = literal_prefix(b"traceparent") + bytes((55,))  # version 00 has one length
_CRITICALITIES: Final = {level.name.encode(): level for level in Criticality}
_CRITICALITY_LITERALS: Final = {level: literal(b"towpath-criticality", level.name.encode()) for level in Criticality}
_TIMEOUT_NAME: Final = len(literal_prefix(b"grpc-timeout"))
_MOST_DIGITS: Final = 8
_LONGEST_KEY: Final = 255
_LONGEST_CONNECT_TIMEOUT: Final = 10**10 - 1  # milliseconds; Connect has ten digits
_MOST_TEXT: Final = 128  # bytes of a tenant or request id that are taken from a peer


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
    they name no criticality, or one that nobody knows, `implied` holds."""

    __slots__ = (
        "attempt",
        "criticality",
        "idempotency_key",
        "implied",
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
        self.criticality = implied
        self.tenant = ""
        self.request_id = ""
        self.attempt = 0
        self.idempotency_key = ""
        rest: list[Field] = []
        for name, value in fields:
            if name == b"grpc-timeout":
                self.timeout = value
            elif name == b"connect-timeout-ms":
                # Up to ten digits, two more than gRPC has.
                self.timeout = value + b"m" if len(value) <= _MOST_DIGITS else value[:-3] + b"S"
            elif name == b"traceparent":
                self.traceparent = value
            elif name == b"tracestate":
                self.tracestate = value.decode("latin-1")
            elif name == b"towpath-criticality":
                self.criticality = _CRITICALITIES.get(value, implied)
            elif name == b"towpath-tenant":
                self.tenant = value[:_MOST_TEXT].decode("utf-8", "replace")
            elif name == b"grpc-previous-rpc-attempts":
                self.attempt = _attempts(value)
            elif name == b"idempotency-key":
                self.idempotency_key = value[:_LONGEST_KEY].decode("latin-1")
            elif name == b"x-request-id":
                self.request_id = value[:_MOST_TEXT].decode("latin-1")
            else:
                rest.append((name, value))
        self.metadata = metadata_codec.decode(rest)


def standing(base: Inherited, extra: Sequence[Field]) -> tuple[Criticality, int, int]:
    """Criticality, attempts before and cohort of a call, from its fields as they are: what a server that refuses it has to know."""
    criticality, attempt, traceparent = base.criticality, base.attempt, base.traceparent
    for name, value in extra:
        if name == b"traceparent":
            traceparent = value
        elif name == b"towpath-criticality":
            criticality = _CRITICALITIES.get(value, base.implied)
        elif name == b"grpc-previous-rpc-attempts":
            attempt = _attempts(value)
    return criticality, attempt, cohort_of(traceparent)


def _attempts(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else 0


def received(
    method: str, base: Inherited, base_fields: tuple[Field, ...], extra: Sequence[Field], peer: str, fallback: float | None
) -> Context:
    """The context of a received call: `base` from the recurring head, `extra` its literals, `fallback` the timeout in seconds if none came.

    Raises RpcError (INVALID_ARGUMENT) if `grpc-timeout` is malformed: guessing a deadline would be worse than refusing the call.
    """
    timeout, traceparent = base.timeout, base.traceparent
    for name, value in extra:
        if name == b"grpc-timeout":
            timeout = value
        elif name == b"traceparent":
            traceparent = value
        else:
            base = Inherited((*base_fields, *extra), base.implied)
            timeout, traceparent = base.timeout, base.traceparent
            break
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
