"""A method as a server serves it: its handler, its limits, and what is asked before a call of it begins."""

import logging
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from google.protobuf.message import Message

from towpath._core.calls.recording import ReceivedRows
from towpath._core.calls.unstarted_calls import OnUnstarted
from towpath._core.context import Criticality
from towpath._core.disclosure.fault_log import FaultLog
from towpath._core.early_rejection import EarlyRejection, Rejection
from towpath._core.errors import Code
from towpath._core.service import Handler, MethodKind, MethodSpec
from towpath._wire.compression import Compression
from towpath._wire.grpc import status
from towpath._wire.hpack import literal

log = logging.getLogger("towpath.server")

MaxTimeout = float | Literal["contract"] | None
"""How long calls may take at the most, whatever their callers say: so many seconds, which hold for unary methods; or "contract", the
timeout that each method's contract declares, if it does; or None for as long as callers say."""


LARGE: Final = 64 * 1024
"""Bytes of an answer that is written alone: answers that share a write are joined, which takes as much memory once more."""


def grpc_fields(rejection: Rejection) -> bytes:
    """The fields of the error for a call over gRPC, encoded once: an overloaded server says the same to thousands a second."""
    fields = rejection.encoded
    if not fields:
        fields = rejection.encoded = b"".join(literal(name, value) for name, value in status.encode(rejection.error))
    return fields


@dataclass(kw_only=True, eq=False)
class MethodRoute:
    """A method as a server serves it. The method's name and types stand here once more, since each call reads them."""

    method: MethodSpec[Any, Any]
    handler: Handler
    """The composed stack, which another may replace."""
    name: str
    request: type[Message]
    response: type[Message]
    timeout: float | None
    """Seconds, None for no end. It holds if the caller sends none."""
    criticality: Criticality
    """How important calls are whose caller does not say."""
    message_limit: int
    """Bytes that a request message may have, before and after decompression."""
    compression: Compression | None = None
    """The compression of responses to callers that accept it."""
    max_timeout: float | None = None
    """Seconds that a call may take at the most, whatever its caller says; None for no such bound."""
    early_rejection: EarlyRejection | None = None
    """What is asked about unary calls, and about requests to a mounted application, before they cost a task."""
    on_unstarted: tuple[OnUnstarted, ...] = ()
    """Who hears of calls that end before the handler is called."""
    rows: ReceivedRows | None = None
    """What records the calls; None if nothing does."""
    takes_turns: bool = False
    """Whether calls wait, while clients leave much unread, until there is room for their answers, and only then reach the handler. Streams
    wait before each message instead."""
    large_answer: int = 0
    """Bytes of the last answer of a unary call that had `LARGE` or more."""
    faults: FaultLog = field(default_factory=lambda: FaultLog(log))
    """The log of why calls failed that the method's handlers have made, where their callers are not told."""

    def tell_unstarted(self, code: Code, seconds: float = 0.0) -> None:
        """A call has ended with `code`, `seconds` after its head came, and the handler was not called."""
        for on_unstarted in self.on_unstarted:
            on_unstarted(code, seconds)


def max_timeout_of(method: MethodSpec[Any, Any], setting: MaxTimeout) -> float | None:
    """What `setting` means for `method`, in seconds. Streams have no bound but that of their contract: they may be healthy for days."""
    if setting == "contract":
        return method.timeout
    return setting if method.kind is MethodKind.UNARY else None
