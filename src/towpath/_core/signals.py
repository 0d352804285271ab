"""What a policy decides about a call: one `Decision` for whoever counts or logs it, one shape of error for the caller.

Every rejection carries the role that rejected, its reason, and the figures that decided it. The caller gets all three in an ErrorInfo; the
signal gets the first two. A policy knows neither who listens to its signal nor how an error travels.

An error is no decision. A request that is malformed, or that names a method nobody serves, fails by itself: no policy was asked about it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodSpec


class Decision(NamedTuple):
    """One decision of one policy. It is a tuple because an overloaded server makes thousands a second: a frozen dataclass takes more than
    twice as long to make (measured)."""

    method: str
    """The method's full name, `package.Service/Method`; empty for a decision about a connection."""

    role: str
    """Which policy decided, by the name that `towpath explain` prints: `admission`, `quota`, `retry`, ..."""

    reason: str
    """Why, in upper case: `QUEUE_DELAY`, `RATE_LIMIT`, ... Roles and reasons are fixed words, so that they can be labels of a metric."""

    shadow: bool
    """Whether the policy is only watched: the decision was taken and has no effect."""

    ctx: Context | None
    """The call; None if it was rejected by its headers alone, and where the decision is about a connection or an endpoint."""

    rejected: bool = False
    """Whether this decision turned a call, or a connection, away. False for every other one: another attempt, a hedge, an answer from a
    fallback, and anything in shadow mode."""


Signal = Callable[[Decision], None]
"""Told of every decision. Called on the loop, within the call: it must be quick, and must not raise."""

DOMAIN: Final = "towpath"
"""The domain of every ErrorInfo that towpath itself gives."""

ADMISSION: Final = "admission"
"""The role by which a server rejects what is too much for it, whoever asks."""

BREAKER: Final = "breaker"
"""The role by which a client keeps the calls of a method away from an endpoint that fails it."""


def unheard(decision: Decision) -> None:
    """A signal that does nothing."""


def rejection(
    code: Code,
    method: MethodSpec[Any, Any],
    *,
    role: str,
    reason: str,
    why: str,
    figures: Mapping[str, str] | None = None,
    pushback: float | None = None,
) -> RpcError:
    """The error of a call that `role` rejected before its work began.

    `reason` is for machines (upper case, as ErrorInfo asks), `why` for people, `figures` are what decided. `pushback` says in how many
    seconds to try again (also told as RetryInfo); negative means not to, None leaves it to the caller.
    """
    from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # noqa: PLC0415 # only who is rejected needs it; 2 ms to import

    details: list[Any] = [ErrorInfo(reason=reason, domain=DOMAIN, metadata={"method": method.full_name, "role": role, **(figures or {})})]
    if pushback is not None and pushback >= 0:
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(int(pushback * 1e9))
        details.append(retry)
    error = RpcError(code, f"{method.full_name}: {why}", details)
    error.pushback = pushback
    error.unprocessed = True
    return error


def was_rejected(error: RpcError, method: MethodSpec[Any, Any]) -> bool:
    """Whether a layer rejected the call of `method` that came to `error` before its work began, here or at the server: not one that its
    handler made, and whose error it let through."""
    return any(facts.get("method") == method.full_name for facts in _facts(error))


def shed(error: RpcError, method: str) -> bool:
    """Whether the server rejected the call of `method` (its full name) because it was overloaded itself. A quota or bulkhead that is used
    up is no overload, and neither is what a handler or a server of another make has exhausted: nobody says whose share that was."""
    return any(facts.get("method") == method and facts.get("role") == ADMISSION for facts in _facts(error))


def _facts(error: RpcError) -> Iterator[Mapping[str, str]]:
    """What the ErrorInfos that towpath itself gave say."""
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.rpc.ErrorInfo" and getattr(detail, "domain", "") == DOMAIN:
            yield getattr(detail, "metadata", {})


def reason_of(error: RpcError) -> str:
    """The reason that a layer of towpath gave for `error`, or empty if it came from elsewhere."""
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.rpc.ErrorInfo" and getattr(detail, "domain", "") == DOMAIN:
            return str(getattr(detail, "reason", ""))
    return ""
