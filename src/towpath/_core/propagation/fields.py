"""The table of propagated context: each header that carries one value of a `Context` from hop to hop.

Everything that handles such a value walks this table. A new header is one entry here and one attribute of `Context` (ADR 0016).

- `towpath._wire.propagation` writes and reads the headers.
- `Context.child` and `Context.again` make the context of a call inside a call, and of another attempt.
- `CallOptions` says which values a caller sets; `towpath call` takes them as headers.
- `towpath._app.forward` passes on the values that are not inherited.
- `towpath._core.metadata.OWNED` keeps the headers from applications.
- `towpath._core.propagation.trust` says which callers are believed; the table says what holds of a value from another caller.

Two parts of the context are not in the table. A deadline has its own header in each protocol, which holds the time that is left. A trace
changes from hop to hop and takes two headers (`towpath._core.propagation.trace`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from towpath._core.propagation.baggage import BAGGAGE_RULE, NO_BAGGAGE, Baggage
from towpath._core.propagation.criticality import CRITICAL, Criticality

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TENANT: Final = re.compile(r"(?! )[^\x00-\x1f\x7f]+(?<! )")
_MAX_TENANT: Final = 128  # bytes
_REQUEST_ID: Final = re.compile(rb"[\x20-\x7e]{1,128}")
_MAX_DIGITS: Final = 8
_COHORTS: Final = {b"%d" % cohort: cohort for cohort in range(128)}

KEY_RULE: Final = "1 to 255 printable ASCII characters without spaces"
"""The rule for an idempotency key, as error messages give it."""

TENANT_RULE: Final = f"1 to {_MAX_TENANT} bytes of UTF-8 without control characters or outer spaces"
"""The rule for the name of a tenant, as error messages give it."""


def is_key(text: str) -> bool:
    """Whether `text` is an idempotency key. A key that is too long is rejected and never cut: two keys must not become one."""
    return _KEY.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Whether `text` is the name of a tenant. A name that is too long is rejected and never cut: two tenants must not become one."""
    if _TENANT.fullmatch(text) is None:
        return False
    try:
        return len(text.encode()) <= _MAX_TENANT
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PropagatedField:
    """One header of the propagated context. A header that occurs twice in a request is malformed, but for one that is a list."""

    name: str
    """The header's name in lower case."""

    attribute: str
    """The attribute that holds the value, in `Context` and, if `is_option`, in `CallOptions`."""

    absent: Any
    """The value of a call that comes without the header. A call with this value is sent without it."""

    parse: Callable[[bytes], Any]
    """Turn the header's bytes into the value; None if they are malformed. The bytes of a header that came several times are in lines."""

    render: Callable[[Any], bytes]
    """Turn a value other than `absent` into the header's bytes."""

    rule: str
    """What a well-formed header is, for people."""

    rejects_malformed: bool
    """Whether a call with a malformed header is rejected. If not, the malformed header is ignored."""

    inherited: bool
    """Whether a call takes the value of the call that it is made in, unless its options name another value."""

    is_option: bool
    """Whether a caller may set the value in its `CallOptions`."""

    instead: str
    """The advice for an application that tries to send the header as metadata."""

    from_untrusted: Callable[[Any, Any], Any]
    """Turn a caller's value into the one that holds if the caller is not trusted. The second argument is the value of a call that comes
    without the header."""


def _dropped(_: Any, unsaid: Any) -> Any:
    return unsaid


def _kept(value: Any, _: Any) -> Any:
    return value


def _parse_tenant(value: bytes) -> str | None:
    if value.isalnum() and len(value) < _MAX_TENANT:  # most tenants are, and this takes 1 us less (measured)
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


def _parse_cohort(value: bytes) -> int | None:
    return _COHORTS.get(value)


def _parse_request_id(value: bytes) -> str | None:
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else None


def _parse_baggage(value: bytes) -> Baggage | None:
    return Baggage.received(value.replace(b"\n", b","))


def _render_baggage(baggage: Baggage) -> bytes:
    return baggage.header


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
    from_untrusted=min,
)
"""How important the call is. If a contract gives its method another criticality than CRITICAL, that one replaces `absent`. A caller that is
not trusted can only make its call less important."""

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
    from_untrusted=_dropped,
)
"""The customer or user that the call is made for. A name that is cut or mended could be another tenant's, and the answer would be too."""

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
    from_untrusted=lambda attempt, _: min(attempt, 1),
)
"""How many attempts came before this one. `Context.again` sets it anew for each attempt. Of a caller that is not trusted only this is
believed, that the call is a repetition: an overloaded server rejects repetitions first, so nobody gains by saying it."""

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
    from_untrusted=_kept,
)
"""The key under which the call has its effect at most once. A handler that calls one method twice wants two effects, so no call inherits
the key."""

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
    from_untrusted=_kept,
)
"""The id that the edge, or a caller of the edge, gave the request. It proves nothing, and only helps to find a call in a log."""

COHORT: Final = PropagatedField(
    name="towpath-cohort",
    attribute="given_cohort",
    absent=None,
    parse=_parse_cohort,
    render=lambda cohort: b"%d" % cohort,
    rule="a number from 0 to 127",
    rejects_malformed=False,
    inherited=True,
    is_option=False,
    instead="a call takes it from the call that it is made in",
    from_untrusted=_dropped,
)
"""The cohort that a server has drawn for the call of a caller that it does not trust, in place of the one from the trace. Such a caller
could choose a trace id of the cohort that is rejected last."""

BAGGAGE: Final = PropagatedField(
    name="baggage",
    attribute="baggage",
    absent=NO_BAGGAGE,
    parse=_parse_baggage,
    render=_render_baggage,
    rule=BAGGAGE_RULE,
    rejects_malformed=False,
    inherited=True,
    is_option=True,
    instead="set the option baggage",
    from_untrusted=_dropped,
)
"""What the application hands on (W3C Baggage). Services inside act on it, so a caller that is not trusted has none."""

PROPAGATED: Final[tuple[PropagatedField, ...]] = (CRITICALITY, TENANT, ATTEMPT, IDEMPOTENCY_KEY, REQUEST_ID, COHORT, BAGGAGE)
"""The table, in the order in which the headers are written."""
