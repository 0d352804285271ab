"""The request context on the wire: which fields carry it, how a client writes them and a server reads them.

Fields that vary from call to call are literals without indexing, so that they neither grow nor churn the peer's dynamic table. What a
server reads is taken as it comes; what to believe of it is for the edge to decide (tenant and criticality from outside the trust boundary).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from towpath.core import clock
from towpath.core.context import Context, Criticality
from towpath.core.errors import Code, RpcError
from towpath.core.metadata import EMPTY
from towpath.core.trace import TraceContext
from towpath.wire.grpc import metadata as metadata_codec
from towpath.wire.grpc import timeout as timeout_codec
from towpath.wire.hpack import literal, literal_prefix

Field = tuple[bytes, bytes]

_TIMEOUT_OF_LENGTH: Final = [literal_prefix(b"grpc-timeout") + bytes((length,)) for length in range(10)]
_TRACEPARENT: Final = literal_prefix(b"traceparent") + bytes((55,))  # version 00 has one length
_CRITICALITIES: Final = {level.name.encode(): level for level in Criticality}
_CRITICALITY_LITERALS: Final = {level: literal(b"towpath-criticality", level.name.encode()) for level in Criticality}
_UNSAID: Final = Criticality.CRITICAL
_MOST_TEXT: Final = 128  # bytes of a tenant or request id that are taken from a peer


def literals(ctx: Context) -> bytes:
    """The context as literal fields, in the order in which a server finds them fastest. A deadline that has passed goes out as zero, for
    the server to refuse. The trace goes along if the context was given one: a bare channel starts none."""
    deadline = ctx.deadline
    if deadline is None:
        out = b""
    else:
        value = timeout_codec.encode(deadline - clock.now())
        out = _TIMEOUT_OF_LENGTH[len(value)] + value
    if ctx.traced:
        trace = ctx.trace
        out += _TRACEPARENT + trace.traceparent()
        if trace.state:
            out += literal(b"tracestate", trace.state.encode("latin-1"))
    if ctx.criticality is not _UNSAID:
        out += _CRITICALITY_LITERALS[ctx.criticality]
    if ctx.tenant:
        out += literal(b"towpath-tenant", ctx.tenant.encode())
    if ctx.own_request_id:
        out += literal(b"x-request-id", ctx.own_request_id.encode())
    if ctx.metadata is not EMPTY:
        out += metadata_codec.encode(ctx.metadata)
    return out


class Inherited:
    """What the fields of a head say about the context; kept with a head that recurs, and added to by the literals of each call."""

    __slots__ = ("criticality", "metadata", "plain", "request_id", "tenant", "timeout", "traceparent", "tracestate")

    def __init__(self, fields: Iterable[Field]) -> None:
        self.timeout: bytes = b""
        self.traceparent: bytes = b""
        self.tracestate: str = ""
        self.criticality = _UNSAID
        self.tenant = ""
        self.request_id = ""
        rest: list[Field] = []
        for name, value in fields:
            if name == b"grpc-timeout":
                self.timeout = value
            elif name == b"traceparent":
                self.traceparent = value
            elif name == b"tracestate":
                self.tracestate = value.decode("latin-1")
            elif name == b"towpath-criticality":
                self.criticality = _CRITICALITIES.get(value, _UNSAID)
            elif name == b"towpath-tenant":
                self.tenant = value[:_MOST_TEXT].decode("utf-8", "replace")
            elif name == b"x-request-id":
                self.request_id = value[:_MOST_TEXT].decode("latin-1")
            else:
                rest.append((name, value))
        self.metadata = metadata_codec.decode(rest)
        self.plain = self.criticality is _UNSAID and not (self.tenant or self.request_id or self.tracestate)


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
            base = Inherited((*base_fields, *extra))
            timeout, traceparent = base.timeout, base.traceparent
            break
    deadline: float | None = None
    if timeout:
        try:
            deadline = clock.now() + timeout_codec.decode(timeout)
        except ValueError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from None
    elif fallback is not None:
        deadline = clock.now() + fallback
    if base.plain:  # nothing but a deadline, perhaps a trace: fewer arguments to pass
        return Context(method, deadline=deadline, metadata=base.metadata, peer=peer, traceparent=traceparent)
    return Context(
        method,
        deadline=deadline,
        criticality=base.criticality,
        tenant=base.tenant,
        metadata=base.metadata,
        peer=peer,
        trace=TraceContext.received(traceparent, base.tracestate) if base.tracestate else None,
        traceparent=traceparent,
        request_id=base.request_id,
    )
