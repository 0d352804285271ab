"""A call on the server in one protocol, whatever the protocol: request bytes in and messages out, responses in and bytes out.

gRPC's hot path, a unary call over HTTP/2, is written out in `towpath._transport.server.grpc_unary`. Everything else (streams, gRPC-Web,
Connect, REST, over HTTP/2 and HTTP/1.1) runs through one implementation of a call, `towpath._transport.server.exchange`, which speaks to
its peer through a `Dialect`. One is made for each call; it has no IO and does not know which HTTP carries it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from towpath._core.context import Reply
from towpath._core.errors import RpcError
from towpath._core.metadata import Metadata
from towpath._wire.http.fields import Field, Template


@dataclass(frozen=True, slots=True)
class WholeResponse:
    """A whole response: `head` with its status, the fields that vary, and the body."""

    head: Template
    fields: Sequence[Field]
    body: bytes

    def with_field(self, field: Field) -> "WholeResponse":
        """The same response with one more field."""
        return WholeResponse(self.head, [*self.fields, field], self.body)


@dataclass(frozen=True, slots=True)
class ResponseEnd:
    """How a response that has begun ends: what is left of its body, and its trailers; None where the protocol sends none."""

    body: bytes
    trailers: Sequence[Field] | None


CUT_SHORT: Final = ResponseEnd(b"", None)
"""The end of a response that failed where nothing else can tell the caller that it is not whole: stream or connection end within it."""


class CostlyMessage:
    """A message that has come and takes long to read: `read` makes it, or raises RpcError, and may run in any thread."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[], Any]) -> None:
        self.read = read


class Dialect(ABC):
    """One call, as its protocol writes it. Either a StreamedDialect, which `streams`, or a WholeDialect."""

    __slots__ = ()

    streams: ClassVar[bool]
    """Asked per call: to ask an abstract class whether something is an instance takes four times as long (0.25 us, measured)."""

    @property
    @abstractmethod
    def unread(self) -> int:
        """Bytes that have come and were not yet handed on as messages."""

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take a piece of the request's body. Raises RpcError for what is too large or cannot be meant."""

    @abstractmethod
    def complete(self) -> bool:
        """Whether `next` has something to say. Raises RpcError."""

    @abstractmethod
    def next(self) -> Any:
        """The next request message, or None until more has come. Raises RpcError for one that cannot be read."""

    @abstractmethod
    def finish(self) -> None:
        """The request's body has ended. Raises RpcError if it may not end there; asked again when the last message has been taken."""

    @abstractmethod
    def error_response(self, error: RpcError, reply: Reply | None) -> WholeResponse:
        """The response of a call that fails before it has begun to answer."""


class StreamedDialect(Dialect):
    """A protocol whose response begins before its end is known, with any number of messages."""

    __slots__ = ()
    streams = True
    early_head: ClassVar[bool] = True
    """Whether a head may go before anything is known of how the call will end, because the end has the status."""

    @abstractmethod
    def head(self, headers: Metadata) -> tuple[Template, Sequence[Field]]:
        """The head of the response."""

    @abstractmethod
    def message(self, response: Any) -> bytes:
        """One response message."""

    @abstractmethod
    def end(self, error: RpcError | None, trailers: Metadata) -> ResponseEnd:
        """How a response ends that has begun."""


class WholeDialect(Dialect):
    """A protocol whose head says how the call ended, so that nothing is sent before that; for unary methods only."""

    __slots__ = ()
    streams = False

    @abstractmethod
    def whole_response(self, response: Any, reply: Reply | None) -> WholeResponse:
        """The response of a call that succeeded."""
