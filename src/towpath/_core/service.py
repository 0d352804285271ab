"""The centre of the house: methods, the handlers that serve them, and the layers around handlers.

Generated code describes each method as a `MethodSpec` and each service as an abstract class. A `Handler` has the same shape on the server
and on the client, and a `Layer` wraps one handler in another. A stack of layers is composed once per method at start-up, so a call pays
only for what its method uses. The shape is that of Service and Layer in tower (https://docs.rs/tower), without poll_ready: in asyncio a
handler that is not ready simply awaits.
"""

from abc import ABC
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from towpath._core.context import CRITICAL, CallOptions, Context, Criticality
from towpath._core.errors import SetupError
from towpath._core.http_bindings import HttpBinding
from towpath._core.policies import HedgingPolicy, RetryPolicy

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)

Handler = Callable[[Any, Context], Coroutine[Any, Any, Any]]
"""A function that takes a request and its context, and returns the response or raises `RpcError`. Cancellation reaches it as
`asyncio.CancelledError`."""

UnaryCall = Callable[[Req, CallOptions | None], Coroutine[Any, Any, Res]]
"""A unary method as a generated client holds it."""

DEFAULT_TIMEOUT: Final = 2.0
"""Seconds that a unary call may take if neither caller, service file nor contract gives a timeout. This is go-zero's default; gRPC has
none, and its calls hang."""


class MethodKind(Enum):
    """Which sides stream. The names are gRPC's."""

    UNARY = "unary"
    """One request, one response."""
    SERVER_STREAMING = "server_streaming"
    """One request, any number of responses."""
    CLIENT_STREAMING = "client_streaming"
    """Any number of requests, one response."""
    BIDI_STREAMING = "bidi_streaming"
    """Any number of both, in any order."""

    @property
    def requests_stream(self) -> bool:
        """Whether the client sends any number of messages."""
        return self in (MethodKind.CLIENT_STREAMING, MethodKind.BIDI_STREAMING)

    @property
    def responses_stream(self) -> bool:
        """Whether the server sends any number of messages."""
        return self in (MethodKind.SERVER_STREAMING, MethodKind.BIDI_STREAMING)


class Idempotency(Enum):
    """The effect of repeating a call, as the contract's `idempotency_level` declares it. It decides which calls may be retried, hedged and
    cached."""

    UNKNOWN = "unknown"
    """The contract does not say: the effect may happen twice."""
    NO_SIDE_EFFECTS = "no_side_effects"
    """The call only reads."""
    IDEMPOTENT = "idempotent"
    """Twice has the same effect as once."""


class IdempotencyKey(Enum):
    """The side that gives a method's calls their idempotency key, as towpath's option `idempotency_key` declares it in the contract."""

    REQUIRED = "required"
    """The caller. A server answers a call without a key with INVALID_ARGUMENT."""
    AUTO = "auto"
    """The client, for each call to which its caller gives none. All attempts at the call share the key."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodSpec(Generic[Req, Res]):
    """One method of a contract, with the options that the contract declares for it."""

    service: str
    """The full name of its service, `package.Service`."""
    name: str
    """The name within the service."""
    request: type[Req]
    """The class of the request messages."""
    response: type[Res]
    """The class of the response messages."""
    kind: MethodKind = MethodKind.UNARY
    """Which sides stream."""
    idempotency: Idempotency = Idempotency.UNKNOWN
    """What a repetition of a call does."""
    timeout: float | None = None
    """Seconds that a call may take; None if not declared."""
    criticality: Criticality | None = None
    """The importance of a call; None if not declared."""
    http: tuple[HttpBinding, ...] = ()
    """The bindings that reach the method over plain HTTP."""
    retry: RetryPolicy | None = None
    """How a failed attempt is tried again; None if not declared."""
    hedge: HedgingPolicy | None = None
    """How a second attempt is sent before the first has failed; None if not declared."""
    idempotency_key: IdempotencyKey | None = None
    """The side that gives a call its idempotency key; None leaves it to each caller."""

    @property
    def repeatable(self) -> bool:
        """Whether the contract says that a call may be repeated: it has no side effects, or the same ones once and twice."""
        return self.idempotency is not Idempotency.UNKNOWN

    @property
    def default_timeout(self) -> float | None:
        """Seconds that a call may take if neither caller nor service file gives a timeout. This is the contract's timeout. Without one, a
        unary method has `DEFAULT_TIMEOUT`, and a streaming method has None, no deadline (docs/adr/0006)."""
        if self.timeout is None and self.kind is MethodKind.UNARY:
            return DEFAULT_TIMEOUT
        return self.timeout

    @property
    def default_criticality(self) -> Criticality:
        """The criticality of a call if neither caller nor service file gives one: the contract's, or CRITICAL without one."""
        return CRITICAL if self.criticality is None else self.criticality

    @property
    def deprecated(self) -> bool:
        """Whether the contract says so of the method or of its service. A method without a contract is not deprecated."""
        pool: Any = self.request.DESCRIPTOR.file.pool
        try:
            service: ServiceDescriptor = pool.FindServiceByName(self.service)
            return service.GetOptions().deprecated or service.methods_by_name[self.name].GetOptions().deprecated
        except KeyError:
            return False

    @property
    def full_name(self) -> str:
        """`package.Service/Method`, the name in configuration, metrics and logs."""
        return f"{self.service}/{self.name}"

    @property
    def path(self) -> str:
        """`/package.Service/Method`, the name on the wire."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceSpec:
    """One service of a contract."""

    name: str
    """The full name, `package.Service`."""
    methods: tuple[MethodSpec[Any, Any], ...]
    """Its methods, in the order of the contract."""
    attributes: dict[str, str]
    """For each method's name the attribute of the generated classes that implements the method."""
    file: FileDescriptor | None = None
    """The file of the contract that has the service. Generated code gives it where none of the methods' messages are in that file, which
    then is known to the process by this alone; None elsewhere."""


class Service(ABC):
    """The base of the generated abstract classes that a team implements. One instance serves any number of calls at once."""

    spec: ClassVar[ServiceSpec]
    """The contract that the class implements."""

    def handlers(self) -> list[tuple[MethodSpec[Any, Any], Handler]]:
        """Each method of the contract with the bound method that serves it. That of a streaming method is not a `Handler` yet:
        `towpath._core.calls.stream_handler.exchange_handler` makes one of it."""
        return [(method, getattr(self, self.spec.attributes[method.name])) for method in self.spec.methods]


class Layer(Protocol):
    """One named role of the stack."""

    @property
    def role(self) -> str:
        """The role's name in `towpath explain`."""
        ...

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """A handler that does this role's work around `following`, or `following` itself if the role has nothing to do for `method`. It is
        called for each method when a server starts or a client is made, and again when settings are reloaded."""
        ...


def compose(layers: Sequence[Layer], method: MethodSpec[Any, Any], innermost: Handler) -> Handler:
    """Wrap `innermost` in `layers`, the first of them outermost. Raises SetupError for a layer whose `wrap` gives no handler."""
    handler = innermost
    for layer in reversed(layers):
        handler = layer.wrap(method, handler)
        if not callable(handler):
            raise SetupError(
                f"the layer {layer.role!r} gave {handler!r} for {method.full_name}; its `wrap` returns a handler, which is a function of a "
                "request and a context, or `following` if it has nothing to do"
            )
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
