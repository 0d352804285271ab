"""The request context on the wire: how a client writes the table of `towpath._core.propagation.fields` as header fields, and how a server
reads it.

Fields that vary from call to call are literals without indexing, so that they neither grow nor churn the peer's dynamic table. What a
server believes of them depends on the connection and on what a proxy says of the call (`towpath._core.propagation.trust`).

A tenant or an idempotency key that is malformed, or comes twice, rejects the call: cut, mended or chosen it could be another's, and with it
the answer. What only describes a call (criticality, attempts, request id, trace) counts as not sent if it is malformed or comes twice. A
`traceparent` that comes twice with one value is that value, since some proxies write the header again that is there already.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from towpath._core import chance
from towpath._core.context import CRITICAL, Context, Criticality
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._core.propagation import sampling
from towpath._core.propagation.fields import ATTEMPT, COHORT, CRITICALITY, PROPAGATED, PropagatedField
from towpath._core.propagation.trace import COHORTS, TraceContext, cohort_of
from towpath._core.propagation.trust import FORWARDED, Belief, is_believed
from towpath._core.server_call import ServerCallInfo
from towpath._wire import metadata as metadata_codec
from towpath._wire import timeout as timeout_codec
from towpath._wire.hpack import literal, literal_prefix
from towpath._wire.http.fields import Field

_timeouts: dict[int, bytes] = {}
_MAX_TIMEOUTS: Final = 1024
_TIMEOUT_OF_LENGTH: Final = [literal_prefix(b"grpc-timeout") + bytes((length,)) for length in range(10)]
_TRACEPARENT: Final = literal_prefix(b"traceparent") + bytes((55,))  # version 00 has one length
_MAX_TIMEOUT_DIGITS: Final = 8
_MAX_CONNECT_DIGITS: Final = 10
_MAX_CONNECT_TIMEOUT: Final = 10**_MAX_CONNECT_DIGITS - 1  # milliseconds

_BY_NAME: Final = {field.name.encode(): field for field in PROPAGATED}
_WRITTEN: Final = tuple((name, field.render) for name, field in _BY_NAME.items())

_FORWARDED: Final = PropagatedField(
    name="forwarded",
    attribute="",
    absent=None,
    parse=lambda _: None,
    render=bytes,
    rule="",
    rejects_malformed=False,
    inherited=False,
    is_option=False,
    instead="",
    from_untrusted=min,
)
"""Stands for all headers in which a proxy says whose call it passes on. They are no part of the context, and are read with it."""

_READ: Final = {**_BY_NAME, **{name.encode(): _FORWARDED for name in FORWARDED}}
_COHORT_BITS: Final = 7
_values_of: Final = attrgetter(*(field.attribute for field in PROPAGATED))


def _unsaid(implied: Criticality) -> tuple[Any, ...]:
    return tuple(implied if field is CRITICALITY else field.absent for field in PROPAGATED)


_UNSAID: Final = [_unsaid(CRITICAL), *map(_unsaid, Criticality)]
"""The values for which nothing is written, by the number of the criticality that the contract implies."""


def literals(ctx: Context, now: float, implied: Criticality = CRITICAL, timeout: bytes | None = None) -> bytes:
    """The context as literal fields, in the order in which a server finds them fastest.

    `now` is the time in seconds of the clock. A deadline that has passed goes out as zero, for the server to reject. `implied` is the
    criticality that the contract gives the method: a server that hears of none takes that one. `timeout` is the field for the deadline in a
    protocol that has its own; None stands for gRPC's. The trace goes along if the context was given one: a bare channel starts none.
    """
    out = timeout
    if out is None:
        deadline = ctx.deadline
        if deadline is None:
            out = b""
        else:
            seconds = deadline - now
            milliseconds = int(seconds * 1e3)
            out = _timeouts.get(milliseconds) or _timeout(seconds, milliseconds)
    trace = ctx.cached_trace
    if trace is None and ctx.raw_traceparent:
        trace = ctx.trace
    if trace is not None:
        out += _TRACEPARENT + trace.traceparent
        if trace.state:
            out += literal(b"tracestate", trace.state.encode("latin-1"))
    values = _values_of(ctx)
    unsaid = _UNSAID[implied]
    if values != unsaid:
        for (name, render), value, absent in zip(_WRITTEN, values, unsaid, strict=True):
            if value != absent:
                out += literal(name, render(value))
    if ctx.metadata is not EMPTY:
        out += metadata_codec.encode(ctx.metadata)
    return out


def connect_literals(ctx: Context, now: float, implied: Criticality = CRITICAL) -> bytes:
    """The same for Connect, which has a field of its own for the deadline: whole milliseconds, rounded up as gRPC's are."""
    deadline = ctx.deadline
    if deadline is None:
        return literals(ctx, now, implied, b"")
    seconds = deadline - now
    milliseconds = min(int(seconds * 1e3) + 1, _MAX_CONNECT_TIMEOUT) if seconds > 0 else 0
    return literals(ctx, now, implied, literal(b"connect-timeout-ms", b"%d" % milliseconds))


def _timeout(seconds: float, milliseconds: int) -> bytes:
    """The field for a remaining time, remembered where the time in milliseconds says all: most calls have a method's whole timeout left."""
    value = timeout_codec.encode(seconds)
    field = _TIMEOUT_OF_LENGTH[len(value)] + value
    if value.endswith(b"m") and len(_timeouts) < _MAX_TIMEOUTS:
        _timeouts[milliseconds] = field
    return field


class Inherited:
    """What the fields of a head say about the context. It is kept with a head that recurs, and each call adds its literals to it."""

    __slots__ = (
        "attempt",
        "belief",
        "criticality",
        "drawn",
        "fault",
        "fields",
        "follows_trace",
        "found",
        "implied",
        "metadata",
        "said",
        "started",
        "timeout",
        "traceparent",
        "tracestate",
        "trusted",
    )

    fields: Final[Sequence[Field]]
    """The fields, as they came."""

    implied: Final[Criticality]
    """The criticality of a call whose fields name none, or none that is known."""

    belief: Final[Belief]
    """What is believed of the callers at the other end of the connection."""

    trusted: bool
    """Whether what the fields say is believed."""

    follows_trace: bool
    """Whether the cohort is that of the trace, if there is one."""

    found: dict[PropagatedField, bytes]
    """The raw values of the propagated context."""

    said: list[tuple[str, Any]]
    """The attributes of the context that the fields set, with their values."""

    criticality: Criticality
    """How important the call is."""

    attempt: int
    """How many attempts came before."""

    fault: str
    """What is wrong with the tenant, the idempotency key or Connect's timeout; empty if nothing is."""

    timeout: bytes
    """The time that is left, as gRPC writes it; empty if there is no end."""

    traceparent: bytes
    """The header of this name; empty without one."""

    tracestate: str
    """The header of this name; empty without one."""

    metadata: Final[Metadata]
    """What the application sent."""

    started: tuple[Sequence[Field], TraceContext] | None
    """The trace that `priority` started for the call with these literals."""

    drawn: tuple[Sequence[Field], int] | None
    """The cohort that `priority` drew for the untrusted call with these literals."""

    def __init__(self, fields: Sequence[Field], implied: Criticality = CRITICAL, belief: Belief = Belief.ALL) -> None:
        self.fields = fields
        self.implied = implied
        self.belief = belief
        self.timeout = b""
        self.traceparent = b""
        self.tracestate = ""
        self.fault = ""
        self.started = None
        self.drawn = None
        found = self.found = {}
        self.said = []
        rest: list[Field] = []
        for name, value in fields:
            field = _READ.get(name)
            if field is not None:
                if field in found:
                    _add(found, field, value)
                else:
                    found[field] = value
                if field is _FORWARDED:
                    rest.append((name, value))
            elif name == b"grpc-timeout":
                self.timeout = value
            elif name == b"connect-timeout-ms":
                if not value.isdigit() or len(value) > _MAX_CONNECT_DIGITS:
                    self.fault = f"connect-timeout-ms {value[:32]!r} is not up to ten digits, which count milliseconds"
                elif len(value) <= _MAX_TIMEOUT_DIGITS:
                    self.timeout = value + b"m"
                else:  # two digits more than gRPC has
                    self.timeout = b"%dm" % int(value) if value.startswith(b"00") else value[:-3] + b"S"
            elif name == b"traceparent":
                self.traceparent = _joined(self.traceparent, value)
            elif name == b"tracestate":
                self.tracestate = _listed(self.tracestate, value)
            else:
                rest.append((name, value))
        trusted = self.trusted = belief is Belief.ALL or is_believed(belief, found.get(_FORWARDED))
        for field, value in found.items():
            parsed = field.parse(value)
            if parsed is not None:
                believed = parsed if trusted else field.from_untrusted(parsed, implied if field is CRITICALITY else field.absent)
                self.said.append((field.attribute, believed))
            elif field.rejects_malformed:
                self.fault = f"{field.name} is not one field of {field.rule}"
        self.follows_trace = trusted and COHORT not in found
        said = CRITICALITY in found or ATTEMPT in found
        self.criticality, self.attempt = _importance(found, implied, trusted=trusted) if said else (implied, 0)
        self.metadata = metadata_codec.decode(rest)

    def extended(self, extra: Sequence[Field]) -> "Inherited":
        """What the fields say together with `extra`. It takes over what `priority` found for the call with these."""
        longer = Inherited((*self.fields, *extra), self.implied, self.belief)
        longer.started, longer.drawn = self.started, self.drawn
        self.started = self.drawn = None
        return longer

    def priority(self, extra: Sequence[Field], /) -> tuple[Criticality, int, int]:
        """Criticality, attempts before and cohort of a call, from its fields as they are: what a server that rejects it has to know.

        A call whose cohort its fields do not tell starts a trace here, and `received` gives its context that one. So the cohort is the same
        whoever asks. A caller that is not trusted could choose its trace, so that the cohort of its call is drawn.
        """
        traceparent = self.traceparent
        for name, value in extra:
            if name == b"traceparent":
                traceparent = _joined(traceparent, value) if traceparent else value
            elif name in _READ:
                break
        else:
            if self.follows_trace:
                cohort = COHORTS.get(traceparent[33:35])  # INLINED: cohort_of
                if cohort is not None:
                    return self.criticality, self.attempt, cohort
        return self._rare_priority(extra)

    def _rare_priority(self, extra: Sequence[Field]) -> tuple[Criticality, int, int]:
        """The same for a call that differs from others of its head in more than its trace, or whose trace does not tell the cohort."""
        found, traceparent = self.found, self.traceparent
        for name, value in extra:
            if name == b"traceparent":
                traceparent = _joined(traceparent, value) if traceparent else value
                continue
            field = _READ.get(name)
            if field is not None:
                found = dict(found) if found is self.found else found
                _add(found, field, value)
        if found is self.found:
            trusted, criticality, attempt = self.trusted, self.criticality, self.attempt
        else:
            trusted = is_believed(self.belief, found.get(_FORWARDED))
            criticality, attempt = _importance(found, self.implied, trusted=trusted)
        if not trusted:
            cohort = chance.bits(_COHORT_BITS)
            self.drawn = extra, cohort
            return criticality, attempt, cohort
        given = found.get(COHORT)
        cohort = None if given is None else COHORT.parse(given)
        if cohort is None:
            cohort = cohort_of(traceparent)
        if cohort is None:
            trace = TraceContext.root()
            self.started = extra, trace
            cohort = trace.cohort
        return criticality, attempt, cohort


def _add(found: dict[PropagatedField, bytes], field: PropagatedField, value: bytes) -> None:
    """Keep the raw value. No header holds a line break, so what has come twice is well-formed nowhere."""
    before = found.get(field)
    found[field] = value if before is None else before + b"\n" + value


def _joined(before: bytes, value: bytes) -> bytes:
    """A `traceparent` that came again, behind the one before it: that is well-formed nowhere, unless it is the same."""
    return before + b"\n" + value if before and before != value else value


def _listed(before: str, value: bytes) -> str:
    """A `tracestate`, behind the one before it: they are one list."""
    state = value.decode("latin-1")
    return f"{before},{state}" if before and state else before or state


def _importance(found: dict[PropagatedField, bytes], implied: Criticality, *, trusted: bool) -> tuple[Criticality, int]:
    """Criticality, and attempts before."""
    level, attempts = found.get(CRITICALITY), found.get(ATTEMPT)
    criticality = implied if level is None else CRITICALITY.parse(level) or implied
    attempt = 0 if attempts is None else ATTEMPT.parse(attempts) or 0
    if trusted:
        return criticality, attempt
    return CRITICALITY.from_untrusted(criticality, implied), ATTEMPT.from_untrusted(attempt, ATTEMPT.absent)


def received(method: str, base: Inherited, extra: Sequence[Field], peer: str, fallback: float | None, now: float) -> Context:
    """The context of a received call: `base` from the recurring head, `extra` its literals, `fallback` the timeout in seconds if none came,
    `now` the time of arrival in seconds of the clock.

    Raises RpcError (INVALID_ARGUMENT) if the timeout, the tenant or the idempotency key is malformed: guessing one would be worse than
    rejecting the call.
    """
    timeout, traceparent = base.timeout, base.traceparent
    state = base.tracestate
    # INLINED: Inherited.__init__. The fields in which calls with one head differ nearly always, and the one of a call that is sampled.
    for name, value in extra:
        if name == b"grpc-timeout":
            timeout = value
        elif name == b"traceparent":
            traceparent = _joined(traceparent, value) if traceparent else value
        elif name == b"tracestate":
            state = _listed(state, value)
        else:
            base = base.extended(extra)
            timeout, traceparent, state = base.timeout, base.traceparent, base.tracestate
            break
    if base.fault:
        raise RpcError(Code.INVALID_ARGUMENT, base.fault)
    deadline: float | None = None
    if timeout:
        try:
            deadline = now + timeout_codec.decode(timeout)
        except ValueError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from None
    elif fallback is not None:
        deadline = now + fallback
    ctx = Context.received(method, deadline, base.implied, base.metadata, peer, traceparent)
    for attribute, value in base.said:
        setattr(ctx, attribute, value)
    if not base.trusted:
        drawn, base.drawn = base.drawn, None
        given: Any = ctx
        given.given_cohort = drawn[1] if drawn is not None and drawn[0] is extra else chance.bits(_COHORT_BITS)
    if traceparent and (not base.trusted or sampling.decides_anew):
        given = ctx
        given.raw_traceparent, state = sampling.reconsidered(traceparent, state, method, believed=base.trusted)
    if base.started is not None:
        (known, trace), base.started = base.started, None
        if known is extra:
            ctx.cached_trace = trace.root_of(method)
    ctx.server = ServerCallInfo(now)
    if state:
        ctx.server.tracestate = state
    return ctx
