"""What a caller says of one call, and where it gets the metadata of the answer."""

from collections.abc import Mapping
from math import inf
from operator import attrgetter
from typing import Any, Final, TypedDict, Unpack

from towpath._core.metadata import EMPTY, Metadata, Pairs
from towpath._core.propagation.baggage import Baggage
from towpath._core.propagation.criticality import Criticality
from towpath._core.propagation.fields import KEY_RULE, PROPAGATED, TENANT_RULE, is_key, is_tenant

_SETTABLE: Final = tuple(field.attribute for field in PROPAGATED if field.is_option)
_set_in: Final = attrgetter(*_SETTABLE)
_NOTHING_SET: Final = tuple(None if field.inherited else field.absent for field in PROPAGATED if field.is_option)


class Reply:
    """The metadata of the answer. A handler fills it through `ctx.reply`; a caller passes one in `CallOptions` to receive it.

    `headers` go before the first message, `trailers` after the last. The headers of a stream go as soon as its handler waits for something
    after it has set them, so set all of them at once; over REST they wait for the first message, since HTTP's status comes with them.
    Filling `headers` after they were sent has no effect.
    """

    __slots__ = ("headers", "trailers", "unchanged")
    unchanged: bool  # set by `ctx.http.etag` alone: whether the caller has this version
    """Whether the caller has this version of the answer already. `ctx.http.etag` alone sets it."""

    def __init__(self) -> None:
        self.headers: Metadata = EMPTY
        self.trailers: Metadata = EMPTY


class CallOptionsFields(TypedDict, total=False):
    """The keywords of `CallOptions`, which explains them."""

    timeout: float | None
    criticality: Criticality | None
    tenant: str | None
    metadata: Metadata | Pairs
    reply: Reply | None
    wait_for_ready: bool
    idempotency_key: str
    baggage: Mapping[str, str] | None


class CallOptions:
    """What one client call may set for itself; whatever is None comes from the service file, the contract, or the default.

    Immutable: one instance may serve any number of calls, unless it carries a `reply` or a key.
    """

    __slots__ = ("baggage", "criticality", "idempotency_key", "metadata", "propagated", "reply", "tenant", "timeout", "wait_for_ready")

    timeout: Final[float | None]
    """Seconds until the deadline. It replaces the method's timeout, and can only shorten what is inherited."""

    criticality: Final[Criticality | None]
    """How important the call is."""

    tenant: Final[str | None]
    """The tenant that the call is made for (at most 128 bytes of UTF-8), or "" for nobody."""

    metadata: Final[Metadata]
    """What goes along with the request."""

    reply: Final[Reply | None]
    """Receives the metadata of the answer."""

    wait_for_ready: Final[bool]
    """Whether a call whose target cannot be reached waits for it until its deadline, or fails at once (the default, as in gRPC)."""

    idempotency_key: Final[str]
    """Makes another attempt safe where the server keeps answers by key (printable ASCII without spaces, at most 255 characters). Choose one
    per effect that is wanted, a UUID say."""

    baggage: Final[Mapping[str, str] | None]
    """What the call hands on along the tree of calls below it, in place of what it would inherit: at most 64 names and 8,192 bytes of W3C
    Baggage. None inherits, and an empty mapping hands on nothing."""

    propagated: Final[tuple[tuple[str, Any], ...]]
    """The propagated attributes of the call's context that these options set, with their values."""

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
        baggage: Mapping[str, str] | None = None,
    ) -> None:
        """Raises ValueError for a timeout that is negative, infinite or not a number, for a malformed key, tenant or baggage, and for
        metadata that gRPC would not carry."""
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
        self.baggage = baggage if baggage is None or isinstance(baggage, Baggage) else Baggage(baggage)
        values = _set_in(self)
        if values == _NOTHING_SET:
            self.propagated = ()
        else:
            table = zip(_SETTABLE, values, _NOTHING_SET, strict=True)
            self.propagated = tuple((name, value) for name, value, unset in table if value != unset)

    def replace(self, **changes: Unpack[CallOptionsFields]) -> "CallOptions":
        """These options with `changes`, which are keywords of the class. Metadata are replaced as a whole: give
        `Metadata([*options.metadata, ("key", "value")])` to add a pair. Raises ValueError as the class does, and TypeError for a keyword
        that it does not have."""
        fields: Any = {name: getattr(self, name) for name in CallOptionsFields.__optional_keys__}
        fields.update(changes)
        return CallOptions(**fields)


NO_OPTIONS: Final = CallOptions()
"""The options of a call that sets nothing for itself."""
