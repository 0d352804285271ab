"""One error type for every call, on both sides and over every protocol: `RpcError` with one of gRPC's codes.

A handler raises `RpcError` to choose what its caller sees, and a client's call raises it for every failure, local or remote. Any other
exception of a handler is a bug, and reaches the caller as INTERNAL without its text. An exception group, as an `asyncio.TaskGroup` raises
it, counts as the first error in it that is no cancellation. There is deliberately no tree of exception classes:
a caller branches on `error.code`, as in every gRPC language, and a program on the reason of an ErrorInfo in `error.details`.
"""

from asyncio import CancelledError
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, cast

from google.protobuf.message import Message

from towpath._core.disclosure.printable import printable
from towpath._core.metadata import EMPTY, Metadata


class Code(IntEnum):
    """gRPC's status codes, numbered as on the wire (https://grpc.io/docs/guides/status-codes/).

    OK has no member: a call either returns or raises, so no `RpcError` can carry it.
    """

    CANCELLED = 1
    """The caller took the call back, or went away."""
    UNKNOWN = 2
    """An error of another make of server that says no more."""
    INVALID_ARGUMENT = 3
    """The request is wrong, whatever the state of the service: do not repeat it."""
    DEADLINE_EXCEEDED = 4
    """The time of the call was over before its answer. The effect may have happened."""
    NOT_FOUND = 5
    """What the request names is not there."""
    ALREADY_EXISTS = 6
    """What the request would make is there already."""
    PERMISSION_DENIED = 7
    """The caller is known and may not do this."""
    RESOURCE_EXHAUSTED = 8
    """A quota or limit is used up, or the server is overloaded. A RetryInfo among the details says when to come again."""
    FAILED_PRECONDITION = 9
    """The state of the service forbids it: do not repeat the call before that has changed."""
    ABORTED = 10
    """Another call was in the way: begin the whole read and write anew."""
    OUT_OF_RANGE = 11
    """The request goes beyond the end of what there is, such as of a list."""
    UNIMPLEMENTED = 12
    """The server has no such method."""
    INTERNAL = 13
    """A bug of the service. Its log has the reason, and the caller does not."""
    UNAVAILABLE = 14
    """The service cannot be reached or does not serve now: try again, if the call may be repeated."""
    DATA_LOSS = 15
    """Data is lost or damaged for good."""
    UNAUTHENTICATED = 16
    """The caller does not say who it is, or cannot prove it."""


class RpcError(Exception):
    """A call that did not succeed."""

    outward: str = ""
    """The text for the callers of a handler that lets this error of a call of its own through; empty if it is `message`. The client's
    transport sets it where the message names addresses."""

    method: str = ""
    """The full name of the method whose call failed, `package.Service/Method`, of an error that a call of a client raised; else empty."""

    target: str = ""
    """What that call's channel calls, such as `dns:///catalog:8081`; empty if unknown."""

    peer: str = ""
    """The address of the server that it was sent to; empty if it was not sent, or if unknown. Method, target and peer are for the one who
    made the call: `str()` and tracebacks show them, and they never cross the wire."""

    def __init__(
        self,
        code: Code,
        message: str = "",
        details: Iterable[Message] = (),
        *,
        metadata: Metadata = EMPTY,
    ) -> None:
        super().__init__(code, message)
        self.code = Code(code)
        """The status of the call."""
        self.message = message
        """Text for developers. It crosses the wire, so nothing secret belongs in it."""
        self.details = tuple(details)
        """Messages of google.rpc (ErrorInfo, RetryInfo, BadRequest, QuotaFailure). They cross the wire, over gRPC as
        `grpc-status-details-bin`."""
        self.metadata = metadata
        """The trailers: on the server those to send, on the client those that came."""
        self.unprocessed = False
        """Whether no handler has begun with the call, so that another attempt does nothing twice. The client's transport finds this out; it
        never crosses the wire."""
        self.lost = False
        """Whether the connection ended before the answer did. The client's transport finds this out, for code that judges endpoints."""
        self.pushback: float | None = None
        """Seconds after which the server wants the call to be tried again. A negative number asks for no further attempt; None leaves it to
        the client. It is gRPC's `grpc-retry-pushback-ms` (gRFC A6)."""

    def __str__(self) -> str:
        text = f"{self.code.name}: {printable(self.message)}" if self.message else self.code.name
        if not self.method:
            return text
        method = "" if self.method in self.message else self.method
        target = "" if not self.target or self.target in self.message else f"to {self.target}"
        peer = "" if not self.peer or self.peer in self.message or self.peer in self.target else f"at {self.peer}"
        where = " ".join(part for part in (method, target, peer) if part)
        return f"{text} [{where}]" if where else text

    def __repr__(self) -> str:
        return f"RpcError({self.code.name}, {self.message!r}, details={len(self.details)})"


def locate(error: RpcError, method: str, target: str, peer: str = "") -> None:
    """Let `error` know the call that it ends, unless it knows of a call already: that is the one which failed first."""
    if not error.method:
        error.method, error.target, error.peer = method, target, peer


def first_cause(error: BaseException) -> BaseException:
    """The error that a call ends with whose handler raised `error`. It is the first one of an exception group, at whatever depth: an
    `asyncio.TaskGroup` lists first the task that failed first, and cancels the others for it. Cancellations are no causes, unless there is
    nothing else in the group. Any other error is its own cause."""
    first: BaseException | None = None
    for leaf in _leaves(error):
        if not isinstance(leaf, CancelledError):
            return leaf
        first = first or leaf
    return first or error


def only_rpc_errors(error: BaseException) -> bool:
    """Whether `error` is an RpcError, or a group of nothing else but cancellations, at whatever depth: then nothing in it is a bug."""
    leaves = [leaf for leaf in _leaves(error) if not isinstance(leaf, CancelledError)]
    return bool(leaves) and all(isinstance(leaf, RpcError) for leaf in leaves)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group that are no groups, in order; of any other error itself."""
    left = [error]
    while left:
        part = left.pop()
        if isinstance(part, BaseExceptionGroup):
            left.extend(reversed(cast("BaseExceptionGroup[BaseException]", part).exceptions))
        else:
            yield part


def deadline_exceeded(method: str) -> RpcError:
    """The error of a call of `method` whose deadline passed while the call was under way."""
    return RpcError(Code.DEADLINE_EXCEEDED, f"{method} did not finish within its deadline")


OVER_LIMIT: Final = "OVER_LIMIT"
"""The reason of an error whose cause is larger than a limit."""


def over_limit(message: str, **figures: int) -> RpcError:
    """RESOURCE_EXHAUSTED for what is larger than a limit. `message` is the same text for each call, so that logs can be grouped by it; the
    `figures` are the metadata of an ErrorInfo with the reason OVER_LIMIT."""
    from google.rpc.error_details_pb2 import ErrorInfo  # noqa: PLC0415 # only an error needs it; 2 ms to import

    metadata = {name: str(figure) for name, figure in figures.items()}
    return RpcError(Code.RESOURCE_EXHAUSTED, message, [ErrorInfo(reason=OVER_LIMIT, domain="towpath", metadata=metadata)])


def not_a_message(request: object, method: str, expected: type | None = None) -> TypeError:
    """The error of a call of `method` whose request is no message, such as a dict."""
    name = "a message" if expected is None else expected.__name__
    example = "" if expected is None else f"; write {name}(...), with its fields as keyword arguments"
    return TypeError(f"a request of {method} is {name}, and not an object of {type(request).__name__}{example}")


def several_responses(source: str) -> RpcError:
    """What a call ends in that takes one response, and to which `source`, a method or a server, sent several."""
    return RpcError(Code.INTERNAL, f"{source} answered with more than one message")


class SetupError(Exception):
    """A mistake that a person has to mend before a service or command can run: a wrong setting, a missing file, a port in use.

    The message names the file, field or setting, and says what to do. Commands print it without a traceback and exit with status 2.
    """
