"""The request context: what a call knows of itself and hands down to every call made on its behalf.

Immutable, and one per call. A handler receives it as `ctx`; code below a handler reads `current()`. A client call made inside a
handler inherits deadline, trace, tenant, criticality and request id with no argument passed, because they travel in a contextvar that
asyncio copies into every task. Annotations are `Final`, so pyright refuses assignment; there is no `__setattr__` guard, because a
context is made twice per hop and the guard would make each of its assignments a call.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar, Token
from enum import IntEnum
from math import inf
from typing import Final

from towpath.core import clock
from towpath.core.metadata import EMPTY, Metadata, Pairs
from towpath.core.trace import TraceContext


class Criticality(IntEnum):
    """How much it hurts to refuse a call, in the terms of Google's SRE book (chapter 21, "Handling Overload").

    Unset inherits the caller's; at the edge a call is CRITICAL. Larger is more important. SHEDDABLE_PLUS and SHEDDABLE are refused
    first; CRITICAL_PLUS is for what a person is waiting for and money hangs on.
    """

    SHEDDABLE = 1
    SHEDDABLE_PLUS = 2
    CRITICAL = 3
    CRITICAL_PLUS = 4


_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TENANT: Final = re.compile(r"(?! )[^\x00-\x1f\x7f]+(?<! )")
_LONGEST_TENANT: Final = 128  # bytes

KEY_RULE: Final = "1 to 255 printable ASCII characters without spaces"
"""What an idempotency key is."""

TENANT_RULE: Final = f"1 to {_LONGEST_TENANT} bytes of UTF-8 without control characters or outer spaces"
"""What the name of a tenant is."""

_TRACEPARENT_LENGTH: Final = 55
_COHORTS: Final = {b"%02x" % last: last & 0x7F for last in range(256)}
"""By the last byte of a trace id, as the header has it."""

CRITICAL: Final = Criticality.CRITICAL
"""What a call is unless somebody says otherwise."""


def is_key(text: str) -> bool:
    """Whether `text` is an idempotency key. One that is longer is refused and never cut: two keys must not become one."""
    return _KEY.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` is the name of a tenant, under the same rule: two tenants must not become one."""
    if _TENANT.fullmatch(text) is None:
        return False
    try:
        return len(text.encode()) <= _LONGEST_TENANT
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


class Reply:
    """The metadata of the answer. A handler fills it through `ctx.reply`; a caller passes one in `CallOptions` to receive it.

    `headers` go before the first message, `trailers` after the last. Filling `headers` after they were sent has no effect.
    """

    __slots__ = ("headers", "trailers")

    def __init__(self) -> None:
        self.headers: Metadata = EMPTY
        self.trailers: Metadata = EMPTY


class Context:
    """One call, seen from inside it. `deadline` is absolute, in seconds of `towpath.core.clock`, or None; `tenant` and `peer` are empty
    when unknown (a client's call learns its peer when it is sent, where there are several to choose from); `metadata` is what the
    application sent along, without what the protocol and towpath own; `own_request_id` is the `x-request-id` that came from outside, or
    empty; `own_reply` and `own_trace` are `reply` and `trace` if anybody asked for them, so that the common call makes none;
    `own_traceparent` is the raw header of a received call, or empty; `caller` is who called by its verified certificate (a SPIFFE id or a
    DNS name), set by the transport, and empty without one; `wait_for_ready` is the option of a client's call; `attempt` is how many
    attempts came before this one (`grpc-previous-rpc-attempts`); `idempotency_key` names the effect that is wanted, the same for each
    attempt at it, and is empty without one. It is not inherited: a handler that calls one method twice wants two effects; `arrived` is when
    a received call's head was read, in seconds of the clock, and 0 for a call that was not received; `gated` says that it was let in
    by a gate (`towpath.core.service.Gate`); `called`, if not 0, that the gate had held it back, and since when it had waited for its
    turn; `alone` that so few begin in a turn of the loop that its answer need not wait for others to be written with."""

    __slots__ = (
        "_latest",
        "alone",
        "arrived",
        "attempt",
        "called",
        "caller",
        "criticality",
        "deadline",
        "gated",
        "idempotency_key",
        "metadata",
        "method",
        "own_reply",
        "own_request_id",
        "own_trace",
        "own_traceparent",
        "peer",
        "tenant",
        "wait_for_ready",
    )

    method: Final[str]
    deadline: Final[float | None]
    criticality: Final[Criticality]
    tenant: Final[str]
    metadata: Final[Metadata]
    peer: str
    _latest: "Context"
    attempt: Final[int]
    own_request_id: Final[str]
    own_reply: Reply | None
    own_trace: TraceContext | None
    own_traceparent: Final[bytes]
    caller: str
    wait_for_ready: bool
    idempotency_key: str
    arrived: float
    gated: bool
    called: float
    alone: bool

    def __init__(
        self,
        method: str,
        deadline: float | None = None,
        criticality: Criticality = CRITICAL,
        tenant: str = "",
        metadata: Metadata = EMPTY,
        peer: str = "",
        trace: TraceContext | None = None,
        traceparent: bytes = b"",
        request_id: str = "",
        reply: Reply | None = None,
        attempt: int = 0,
    ) -> None:
        """`traceparent` is the raw header of a received call: it is parsed when `trace` is first read, since most calls never do.

        Give all but the first two by keyword, except on the call path: making an object of a Python class takes 1.2 us with keywords
        and 0.3 us without (CPython 3.11, measured).
        """
        self.method = method
        self.deadline = deadline
        self.criticality = criticality
        self.tenant = tenant
        self.metadata = metadata
        self.peer = peer
        self.attempt = attempt
        self.caller = ""
        self.wait_for_ready = False
        self.idempotency_key = ""
        self.arrived = 0.0
        self.gated = False
        self.called = 0.0
        self.alone = False
        self.own_trace = trace
        self.own_traceparent = traceparent
        self.own_request_id = request_id
        self.own_reply = reply

    @property
    def trace(self) -> TraceContext:
        """This hop's trace identity; a call that arrived without one starts a trace."""
        trace = self.own_trace
        if trace is None:
            raw = self.own_traceparent
            trace = self.own_trace = TraceContext.received(raw) if raw else TraceContext.root()
        return trace

    @property
    def request_id(self) -> str:
        """What to quote to whom the caller complains: the `x-request-id` that came from outside, else the trace id."""
        return self.own_request_id or self.trace.trace_id

    @property
    def cohort(self) -> int:
        """0-127 from the trace id, the same for the whole call tree, so that shedding spares or refuses a tree as one."""
        # From the header as it came, if it did: an overloaded server asks this of calls that it will look at no further. Of a header that
        # is malformed elsewhere the cohort is this hop's alone, since the trace that it starts is another one.
        raw = self.own_traceparent
        cohort = _COHORTS.get(raw[33:35]) if self.own_trace is None and len(raw) == _TRACEPARENT_LENGTH else None
        return _COHORTS[self.trace.traceparent[33:35]] if cohort is None else cohort

    def standing(self, _: Sequence[tuple[bytes, bytes]] = ()) -> tuple[Criticality, int, int]:
        """How important the call is, as `towpath.core.service.Head` says it: criticality, attempts before this one, cohort."""
        return self.criticality, self.attempt, self.cohort

    @property
    def reply(self) -> Reply:
        """The answer's metadata, for the handler to fill."""
        reply = self.own_reply
        if reply is None:
            reply = self.own_reply = Reply()
        return reply

    def remaining(self) -> float | None:
        """Seconds until the deadline, negative once it has passed; None without a deadline."""
        deadline = self.deadline
        return None if deadline is None else deadline - clock.now()

    def expired(self) -> bool:
        """Whether the deadline has passed: nobody waits for the answer any more."""
        deadline = self.deadline
        return deadline is not None and clock.now() >= deadline

    def child(
        self,
        method: str,
        deadline: float | None,
        criticality: Criticality | None = None,
        tenant: str | None = None,
        metadata: Metadata = EMPTY,
        reply: Reply | None = None,
    ) -> "Context":
        """The context of a call made on behalf of this one: the earlier deadline wins, criticality, tenant and request id are
        inherited unless given, the trace gains a hop, and metadata is the callee's alone (it is never forwarded silently)."""
        own = self.deadline
        if own is not None and (deadline is None or own < deadline):
            deadline = own
        return Context(
            method,
            deadline,
            self.criticality if criticality is None else criticality,
            self.tenant if tenant is None else tenant,
            metadata,
            "",
            self.trace.child(),
            b"",
            self.own_request_id,
            reply,
        )

    def again(self, attempt: int) -> "Context":
        """The context of another attempt at the same call, with `attempt` before it: the trace gains a hop beside the first one, and the
        answer's metadata go to the same place. Its `peer` is that of the attempt before, for a channel to prefer another."""
        before = getattr(self, "_latest", self)  # not set until now, since few calls have another attempt
        ctx = Context(
            self.method,
            self.deadline,
            self.criticality,
            self.tenant,
            self.metadata,
            before.peer,
            self.trace.child(),
            b"",
            self.own_request_id,
            self.own_reply,
            attempt,
        )
        self._latest = ctx
        ctx.wait_for_ready = self.wait_for_ready
        ctx.idempotency_key = self.idempotency_key
        return ctx

    def __repr__(self) -> str:
        remaining = self.remaining()
        left = "none" if remaining is None else f"{remaining:.3f}s left"
        return f"Context({self.method!r}, deadline={left}, {self.criticality.name}, tenant={self.tenant!r})"


_current: ContextVar[Context | None] = ContextVar("towpath_context", default=None)


def current() -> Context | None:
    """The context of the call being handled by this task, or None outside any."""
    return _current.get()


def enter(ctx: Context) -> Token[Context | None]:
    """Make `ctx` the current one for this task and the tasks that it starts; `leave` with the token takes it back."""
    return _current.set(ctx)


def leave(token: Token[Context | None]) -> None:
    """Undo an `enter`."""
    _current.reset(token)


class CallOptions:
    """What one client call may set for itself; whatever is None comes from the service file, the contract, or the default.

    `timeout` is in seconds and can only shorten what is inherited; `metadata` goes along with the request; `reply` receives the
    metadata of the answer. With `wait_for_ready` (default False, as gRPC) a call whose target cannot be reached waits for it until its
    deadline, and does not fail at once. `tenant` (at most 128 bytes of UTF-8) is whom the call is made for, or "" for nobody.
    `idempotency_key` (printable ASCII without spaces, at most 255 characters) makes another attempt safe where the server keeps answers by
    key: choose one per effect that is wanted, a UUID say. Immutable: one instance may serve any number of calls, unless it carries a
    `reply` or a key.
    """

    __slots__ = ("criticality", "idempotency_key", "metadata", "reply", "tenant", "timeout", "wait_for_ready")

    timeout: Final[float | None]
    criticality: Final[Criticality | None]
    tenant: Final[str | None]
    metadata: Final[Metadata]
    reply: Final[Reply | None]
    wait_for_ready: Final[bool]
    idempotency_key: Final[str]

    def __init__(
        self,
        *,
        timeout: float | None = None,
        criticality: Criticality | None = None,
        tenant: str | None = None,
        metadata: Metadata | Pairs = EMPTY,
        reply: Reply | None = None,
        wait_for_ready: bool = False,
        idempotency_key: str = "",
    ) -> None:
        """Raises ValueError for a timeout that is negative, infinite or not a number, for a key or a tenant that is none, and for metadata
        that gRPC would not carry."""
        if timeout is not None and not 0 <= timeout < inf:
            raise ValueError(f"timeout is {timeout!r}; give seconds, 0 or more, or None for the method's own")
        self.timeout = timeout
        if idempotency_key and not is_key(idempotency_key):
            raise ValueError(f"idempotency_key is {idempotency_key[:32]!r}; give {KEY_RULE}")
        if tenant and not is_tenant(tenant):
            raise ValueError(f"tenant is {tenant[:32]!r}; give {TENANT_RULE}")
        self.wait_for_ready = wait_for_ready
        self.idempotency_key = idempotency_key
        self.criticality = criticality
        self.tenant = tenant
        self.metadata = metadata if isinstance(metadata, Metadata) else Metadata(metadata)
        self.reply = reply


NO_OPTIONS: Final = CallOptions()
