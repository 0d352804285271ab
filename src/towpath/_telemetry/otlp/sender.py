"""What the exporter asks of a connection to a collector, and what a collector answers.

`towpath._telemetry.otlp.http_sender` speaks http/protobuf. Over gRPC spans go through towpath's own channel, which `towpath._app` gives.
"""

from typing import NamedTuple, Protocol

from towpath._core.disclosure.printable import printable
from towpath._telemetry.otlp.protobuf import MalformedError, fields

_LONGEST_TEXT = 200


class Answer(NamedTuple):
    """A collector took the request."""

    rejected: int = 0
    """How many spans of it the collector will not keep. They are not sent again."""
    message: str = ""
    """Why not; with nothing rejected, a warning."""


class ExportError(Exception):
    """A collector did not take the request. `error_type` is a status of gRPC or HTTP, or a word, for metrics. `is_retryable` says whether
    the same spans may be sent again, and `after` after how many seconds, if the collector said so."""

    def __init__(self, reason: str, error_type: str, *, is_retryable: bool, after: float | None = None) -> None:
        super().__init__(reason)
        self.error_type = error_type
        self.is_retryable = is_retryable
        self.after = after


class Sender(Protocol):
    """A way to a collector. It is used by one task at a time."""

    async def send(self, request: bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - of a protocol that tells its server the timeout
        """Send an ExportTraceServiceRequest. Raises ExportError; a cancellation ends the request."""
        ...

    async def close(self) -> None:
        """Close the connection, without waiting for the other side."""
        ...


def answer(body: bytes) -> Answer:
    """An ExportTraceServiceResponse. Raises ExportError for what is none: whether the spans arrived is not known then."""
    try:
        partial = fields(body).get(1, b"")
        if not isinstance(partial, bytes):
            raise MalformedError("partial_success is no message")
        found = fields(partial)
    except MalformedError as error:
        raise ExportError(f"the answer is no ExportTraceServiceResponse: {error}", "malformed_answer", is_retryable=False) from None
    rejected, message = found.get(1, 0), found.get(2, b"")
    if not isinstance(rejected, int) or rejected >= 1 << 63:  # a negative number means nothing
        rejected = 0
    return Answer(rejected, shown(message) if isinstance(message, bytes) else "")


def shown(text: bytes) -> str:
    """What a collector said, for a log line."""
    return printable(text[:_LONGEST_TEXT].decode(errors="replace"))
