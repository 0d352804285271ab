"""One error type for every call, on both sides and over every protocol: `RpcError` with one of gRPC's codes.

A handler raises it to choose what its caller sees; a client call raises it for whatever went wrong, here or there. Anything else
that a handler raises is a bug and reaches the caller as INTERNAL without its text. There is deliberately no tree of exception
classes: a caller branches on `error.code` (and, for machines, on an ErrorInfo's reason in `error.details`), as in every gRPC language.
"""

from collections.abc import Iterable
from enum import IntEnum

from google.protobuf.message import Message

from towpath._core.metadata import EMPTY, Metadata


class Code(IntEnum):
    """gRPC's status codes, numbered as on the wire (https://grpc.io/docs/guides/status-codes/).

    OK has no member: a call either returns or raises, so no `RpcError` can carry it.
    """

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call that did not succeed.

    `code` is one of gRPC's; `message` is for developers and crosses the wire, so nothing secret belongs in it; `details` are
    google.rpc messages (ErrorInfo, RetryInfo, BadRequest, QuotaFailure) that cross as `grpc-status-details-bin`. `metadata` are the
    trailers to send along (server) or that came along (client).

    Two facts for who may try again: `unprocessed` says that no handler has begun with the call, so that another attempt does nothing twice
    (never crosses the wire: the client's transport finds it out); `pushback` is the server's own word, in seconds, on when to try again,
    negative for not at all, None for no word (`grpc-retry-pushback-ms`, gRFC A6). And one for who judges servers: `lost` says that the
    connection ended before the answer did, which the client's transport finds out, too.
    """

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
        self.message = message
        self.details = tuple(details)
        self.metadata = metadata
        self.unprocessed = False
        self.lost = False
        self.pushback: float | None = None

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}" if self.message else self.code.name

    def __repr__(self) -> str:
        return f"RpcError({self.code.name}, {self.message!r}, details={len(self.details)})"


def deadline_exceeded(method: str) -> RpcError:
    """What a call of `method` ends in whose deadline passes while it is under way."""
    return RpcError(Code.DEADLINE_EXCEEDED, f"{method} did not finish within its deadline")


class SetupError(Exception):
    """Something that a person has to mend before a service or command can run: a wrong setting, a missing file, a port in use.

    The message names the file, field or setting and says what to do; commands print it without a traceback and exit with status 2.
    """
