"""The outcome of an attempt, classified once for all readers: budget, breaker, limiter, balancer and metrics do not guess for themselves.

A code or a latency alone misleads: a fast rejection looks like health in an average of latencies, and a caller's mistake looks like a fault
of the server in a count of errors. There are as many classes as the resilience layers need (Finagle's ResponseClassifier is the model).
"""

import asyncio
from enum import Enum
from typing import Final

from towpath._core.errors import Code, RpcError, first_cause


class Outcome(Enum):
    """The classes. Only OVERLOAD and TRANSIENT invite another attempt. OVERLOAD, TRANSIENT, FATAL and DEADLINE count against the server."""

    SUCCESS = "success"
    CLIENT_FAULT = "client_fault"
    """The server did its work and found that the request cannot be served. Another attempt would end in the same error."""
    OVERLOAD = "overload"
    """The server, or a proxy before it, rejected the call for want of capacity or quota."""
    TRANSIENT = "transient"
    """The server could not be reached, or was lost. Another server, or this one a moment later, may answer."""
    FATAL = "fatal"
    """The server tried and failed: a bug, or lost data."""
    CANCELLED = "cancelled"
    """The caller did not wait for the end. This says nothing about the server."""
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
    """The class of an attempt that ended with `error`; None for an attempt that succeeded. An exception that is no RpcError is a
    cancellation or a bug. A group has the class of its first cause."""
    if error is None:
        return Outcome.SUCCESS
    error = first_cause(error)
    if isinstance(error, RpcError):
        return _BY_CODE.get(error.code, Outcome.CLIENT_FAULT)
    return Outcome.CANCELLED if isinstance(error, (asyncio.CancelledError, GeneratorExit)) else Outcome.FATAL


def is_held_elsewhere(error: RpcError, key: str) -> bool:
    """Whether a call with the idempotency `key` was told that an earlier attempt with its key still runs, at another process. The error is
    ABORTED with a time to come again. That attempt will have the effect, or release the key."""
    return error.code is Code.ABORTED and error.pushback is not None and bool(key)


def code_of_end(error: BaseException, *, expired: bool) -> Code:
    """The status code of a call that ended with `error`, of which `expired` says whether its deadline had passed. A caller that no longer
    listens does not get it."""
    error = first_cause(error)
    if isinstance(error, RpcError):
        code = getattr(error, "code", None)  # a handler's subclass of RpcError may have lost it
        return code if isinstance(code, Code) else Code.INTERNAL
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        # The transport cancels a handler both when its deadline passes and when its caller goes away.
        return Code.DEADLINE_EXCEEDED if expired else Code.CANCELLED
    return Code.INTERNAL
