"""What an attempt came to, worked out once and read by all: budget, breaker, limiter, balancer and metrics do not guess for themselves.

A code alone misleads: a fast refusal looks like health to who averages latency, and a caller's mistake like a fault of the server to who
counts errors. Seven classes say what the resilience layers need and no more (Finagle's ResponseClassifier is the model).
"""

import asyncio
from enum import Enum
from typing import Final

from towpath._core.errors import Code, RpcError


class Outcome(Enum):
    """The classes. Only OVERLOAD and TRANSIENT invite another attempt; OVERLOAD, TRANSIENT, FATAL and DEADLINE count against the server."""

    SUCCESS = "success"
    CLIENT_FAULT = "client_fault"
    """The server did its work, and the answer is that the request cannot be served: it would say so again."""
    OVERLOAD = "overload"
    """The server, or somebody who speaks for it, refused to begin."""
    TRANSIENT = "transient"
    """The server could not be reached, or was lost; another one, or the same a moment later, may answer."""
    FATAL = "fatal"
    """The server tried and failed: a bug, or lost data."""
    CANCELLED = "cancelled"
    """The caller did not wait for the end; says nothing of the server."""
    DEADLINE = "deadline"
    """There was no answer in time."""


_BY_CODE: Final = {
    Code.CANCELLED: Outcome.CANCELLED,
    Code.UNKNOWN: Outcome.FATAL,
    Code.DEADLINE_EXCEEDED: Outcome.DEADLINE,
    Code.RESOURCE_EXHAUSTED: Outcome.OVERLOAD,
    Code.INTERNAL: Outcome.FATAL,
    Code.UNAVAILABLE: Outcome.TRANSIENT,
    Code.DATA_LOSS: Outcome.FATAL,
}

BLAMES_SERVER: Final = frozenset({Outcome.OVERLOAD, Outcome.TRANSIENT, Outcome.FATAL, Outcome.DEADLINE})
"""The outcomes that count against the server."""


def classify(error: BaseException | None) -> Outcome:
    """The class of an attempt that ended with `error`, or with None in success. What is no RpcError is a cancellation or a bug."""
    if error is None:
        return Outcome.SUCCESS
    if isinstance(error, RpcError):
        return _BY_CODE.get(error.code, Outcome.CLIENT_FAULT)
    return Outcome.CANCELLED if isinstance(error, (asyncio.CancelledError, GeneratorExit)) else Outcome.FATAL
