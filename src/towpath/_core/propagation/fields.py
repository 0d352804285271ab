"""The table of propagated context: each header that carries one value of a `Context` from hop to hop.

Everything that handles such a value walks this table. A new header is one entry here and one attribute of `Context` (ADR 0016).

- `towpath._wire.grpc.propagation` writes and reads the headers.
- `Context.child` and `Context.again` make the context of a call inside a call, and of another attempt.
- `CallOptions` says which values a caller sets; `towpath call` takes them as headers.
- `towpath._app.forward` passes on what is not inherited.
- `towpath._core.metadata.OWNED` keeps the headers from applications.

Two parts of the context are not in the table. A deadline has a header in each protocol, written as the time that is left. A trace is
another value at each hop and takes two headers (`towpath._core.propagation.trace`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towpath._core.propagation.criticality import CRITICAL, Criticality

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TENANT: Final = re.compile(r"(?! )[^\x00-\x1f\x7f]+(?<! )")
_MAX_TENANT: Final = 128  # bytes
_REQUEST_ID: Final = re.compile(rb"[\x20-\x7e]{1,128}")
_MAX_DIGITS: Final = 8

KEY_RULE: Final = "1 to 255 printable ASCII characters without spaces"
"""What an idempotency key is."""

TENANT_RULE: Final = f"1 to {_MAX_TENANT} bytes of UTF-8 without control characters or outer spaces"
"""What the name of a tenant is."""


def is_key(text: str) -> bool:
    """Whether `text` is an idempotency key. One that is longer is rejected and never cut: two keys must not become one."""
    return _KEY.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` is the name of a tenant. One that is longer is rejected and never cut: two tenants must not become one."""
    if _TENANT.fullmatch(text) is None:
        return False
    try:
        return len(text.encode()) <= _MAX_TENANT
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PropagatedField:
    """One header of the propagated context. A header that comes twice is malformed."""

    name: str
    """The header's name in lower case."""

    attribute: str
    """The attribute of `Context` that has the value, and of `CallOptions` if `is_option`."""

    absent: Any
    """The value of a call whose caller sends no such header. A call with this value sends none."""

    parse: Callable[[bytes], Any]
    """Turn the header's bytes into the value; None if they are malformed."""

    render: Callable[[Any], bytes]
    """Turn a value other than `absent` into the header's bytes."""

    rule: str
    """What a well-formed header is, for people."""

    rejects_malformed: bool
    """Whether a call with a malformed header is rejected; else the header counts as not sent."""

    inherited: bool
    """Whether a call that is made inside another one takes the value of that one, unless its options name another."""

    is_option: bool
    """Whether a caller may set the value in its `CallOptions`."""

    instead: str
    """What an application does that tries to send the header as metadata."""


def _parse_tenant(value: bytes) -> str | None:
    if value.isalnum() and len(value) < _MAX_TENANT:  # as most are: 1 us less (measured)
        return value.decode("ascii")
    try:
        tenant = value.decode()
    except UnicodeDecodeError:
        return None
    return tenant if is_tenant(tenant) else None


def _parse_attempt(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) <= _MAX_DIGITS else None


def _render_attempt(attempt: int) -> bytes:
    return b"%d" % attempt


def _parse_key(value: bytes) -> str | None:
    key = value.decode("latin-1")
    return key if is_key(key) else None


def _parse_request_id(value: bytes) -> str | None:
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None


CRITICALITY: Final = PropagatedField(
    name="towpath-criticality",
    attribute="criticality",
    absent=CRITICAL,
    parse={level.name.encode(): level for level in Criticality}.get,
    render={level: level.name.encode() for level in Criticality}.__getitem__,
    rule=", ".join(Criticality.__members__),
    rejects_malformed=False,
    inherited=True,
    is_option=True,
    instead="set the option criticality",
)
"""The importance. Where a contract gives its method another criticality than CRITICAL, that one stands for `absent`."""

TENANT: Final = PropagatedField(
    name="towpath-tenant",
    attribute="tenant",
    absent="",
    parse=_parse_tenant,
    render=str.encode,
    rule=TENANT_RULE,
    rejects_malformed=True,
    inherited=True,
    is_option=True,
    instead="set the option tenant",
)
"""Whom the call is made for. A name that is cut or mended could be another tenant's, and with it the answer."""

ATTEMPT: Final = PropagatedField(
    name="grpc-previous-rpc-attempts",
    attribute="attempt",
    absent=0,
    parse=_parse_attempt,
    render=_render_attempt,
    rule=f"a number of at most {_MAX_DIGITS} digits",
    rejects_malformed=False,
    inherited=False,
    is_option=False,
    instead="each attempt of a retry sets it",
)
"""How many attempts came before this one. `Context.again` sets it, and does not keep it."""

IDEMPOTENCY_KEY: Final = PropagatedField(
    name="idempotency-key",
    attribute="idempotency_key",
    absent="",
    parse=_parse_key,
    render=str.encode,
    rule=KEY_RULE,
    rejects_malformed=True,
    inherited=False,
    is_option=True,
    instead="set the option idempotency_key",
)
"""The effect that is wanted. A handler that calls one method twice wants two effects, so no call inherits it."""

REQUEST_ID: Final = PropagatedField(
    name="x-request-id",
    attribute="given_request_id",
    absent="",
    parse=_parse_request_id,
    render=str.encode,
    rule="1 to 128 printable ASCII characters",
    rejects_malformed=False,
    inherited=True,
    is_option=False,
    instead="a call takes it from the call that it is made in",
)
"""The id that the edge, or whoever called it, gave the request."""

PROPAGATED: Final[tuple[PropagatedField, ...]] = (CRITICALITY, TENANT, ATTEMPT, IDEMPOTENCY_KEY, REQUEST_ID)
"""The table, in the order in which the headers are written."""
