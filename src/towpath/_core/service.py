"""The centre of the house: what a method is, what serves it, and what may stand in between.

Generated code describes each method as a `MethodSpec` and each service as an abstract class. Whoever handles a request has one shape,
`Handler`, on the server and on the client alike; a `Layer` wraps one handler in another. A stack of layers is composed once per method
at start-up, so a call pays only for what its method uses. The shape is tower's Service and Layer
(https://docs.rs/tower) without poll_ready: in asyncio a handler that is not ready simply awaits.
"""

from abc import ABC
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from towpath._core.context import CRITICAL, CallOptions, Context, Criticality
from towpath._core.http import HttpBinding
from towpath._core.policies import HedgingPolicy, RetryPolicy

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)

Handler = Callable[[Any, Context], Coroutine[Any, Any, Any]]
"""Takes a request and its context, returns the response or raises `RpcError`. Cancellation reaches it as `asyncio.CancelledError`."""

UnaryCall = Callable[[Req, CallOptions | None], Coroutine[Any, Any, Res]]
"""A unary method as a client sees it."""

DEFAULT_TIMEOUT: Final = 2.0
"""Seconds that a unary call may take when neither caller, service file nor contract says (Go-zero's default; gRPC has none, and hangs)."""


class MethodKind(Enum):
    """Which sides stream. The names are gRPC's."""

    UNARY = "unary"
    SERVER_STREAMING = "server_streaming"
    CLIENT_STREAMING = "client_streaming"
    BIDI_STREAMING = "bidi_streaming"

    @property
    def requests_stream(self) -> bool:
        """Whether the client sends any number of messages."""
        return self in (MethodKind.CLIENT_STREAMING, MethodKind.BIDI_STREAMING)

    @property
    def responses_stream(self) -> bool:
        """Whether the server sends any number of messages."""
        return self in (MethodKind.SERVER_STREAMING, MethodKind.BIDI_STREAMING)


class Idempotency(Enum):
    """What a repeated call does, as the contract's `idempotency_level` says; decides what may be retried, hedged and cached."""

    UNKNOWN = "unknown"
    NO_SIDE_EFFECTS = "no_side_effects"
    IDEMPOTENT = "idempotent"


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodSpec(Generic[Req, Res]):
    """One method of a contract, with the options that it declares. `timeout` is in seconds; None means not declared. `http` are the ways
    to reach it over plain HTTP. `retry` and `hedge` are what the contract says of further attempts."""

    service: str
    name: str
    request: type[Req]
    response: type[Res]
    kind: MethodKind = MethodKind.UNARY
    idempotency: Idempotency = Idempotency.UNKNOWN
    timeout: float | None = None
    criticality: Criticality | None = None
    http: tuple[HttpBinding, ...] = ()
    retry: RetryPolicy | None = None
    hedge: HedgingPolicy | None = None

    @property
    def repeatable(self) -> bool:
        """Whether the contract says that a call may be repeated: it has no side effects, or the same ones once and twice."""
        return self.idempotency is not Idempotency.UNKNOWN

    @property
    def default_timeout(self) -> float | None:
        """Seconds that a call may take if nobody but the contract has said: its own timeout, else `DEFAULT_TIMEOUT` for a unary method
        and None, no end, for one that streams (docs/adr/0006)."""
        if self.timeout is None and self.kind is MethodKind.UNARY:
            return DEFAULT_TIMEOUT
        return self.timeout

    @property
    def default_criticality(self) -> Criticality:
        """What a call is if nobody but the contract has said: its own criticality, else CRITICAL."""
        return CRITICAL if self.criticality is None else self.criticality

    @property
    def full_name(self) -> str:
        """`package.Service/Method`: how configuration, metrics and logs name it."""
        return f"{self.service}/{self.name}"

    @property
    def path(self) -> str:
        """`/package.Service/Method`: how the wire names it."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceSpec:
    """One service of a contract. `attributes` maps each method's name to the attribute of the generated classes that implements it."""

    name: str
    methods: tuple[MethodSpec[Any, Any], ...]
    attributes: dict[str, str]


class Service(ABC):
    """Base of the generated abstract classes that a team implements; one instance serves any number of calls at once."""

    spec: ClassVar[ServiceSpec]

    def handlers(self) -> list[tuple[MethodSpec[Any, Any], Handler]]:
        """Each method of the contract with the bound method that serves it. One that streams is no `Handler` yet: see
        `towpath._core.calls.stream_handler.exchange_handler`."""
        return [(method, getattr(self, self.spec.attributes[method.name])) for method in self.spec.methods]


class Layer(Protocol):
    """One named role of the stack."""

    @property
    def role(self) -> str:
        """The role's name in `towpath explain`."""
        ...

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """A handler that does this role's work around `following`; `following` itself where there is none to do for `method`."""
        ...


def compose(layers: Sequence[Layer], method: MethodSpec[Any, Any], innermost: Handler) -> Handler:
    """Wrap `innermost` in `layers`, the first of them outermost."""
    handler = innermost
    for layer in reversed(layers):
        handler = layer.wrap(method, handler)
    return handler


def roles(layers: Sequence[Layer], method: MethodSpec[Any, Any], innermost: Handler) -> list[str]:
    """The roles that `compose` would really put in the method's stack, outermost first."""
    present: list[str] = []
    handler = innermost
    for layer in reversed(layers):
        wrapped = layer.wrap(method, handler)
        if wrapped is not handler:
            present.append(layer.role)
        handler = wrapped
    return present[::-1]
