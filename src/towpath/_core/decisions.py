"""The decisions of policies about calls: one `Decision` for code that counts or logs it, and one shape of error for the caller.

Every rejection carries the role that rejected, its reason, and the figures that decided it. The caller gets all three in an ErrorInfo, and
the signal gets the first two. A policy knows neither the listeners of its signal nor how an error travels.

An error is no decision. A request that is malformed, or that names an unknown method, fails without any policy being asked about it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodSpec


class Decision(NamedTuple):
    """One decision of one policy. It is a tuple because an overloaded server makes thousands a second: a frozen dataclass takes more than
    twice as long to make (measured)."""

    method: str
    """The method's full name, `package.Service/Method`; empty for a decision about a connection."""

    role: str
    """The policy that decided, by the name that `towpath explain` prints: `admission`, `quota`, `retry`, ..."""

    reason: str
    """Why, in upper case: `QUEUE_DELAY`, `RATE_LIMIT`, ... Roles and reasons are fixed words, so that they can be labels of a metric."""

    shadow: bool
    """Whether the policy is in shadow mode: the decision was taken and has no effect."""

    ctx: Context | None
    """The context of the call. It is None if the headers alone decided, or if the decision is about a connection or an endpoint."""

    rejected: bool = False
    """Whether the call, or the connection, was rejected. It is False for every other decision: another attempt, a hedge, an answer from a
    fallback, and any decision in shadow mode."""


Signal = Callable[[Decision], None]
"""A function that is told of every decision. It is called on the loop, within the call: it must be quick, and must not raise."""


@runtime_checkable
class DecisionCounter(Protocol):
    """A signal that only counts, and does not look at the call. A policy that makes the same decision about many calls need not describe it
    to such a signal for each of them."""

    def __call__(self, decision: Decision, /) -> None:
        """Count one decision."""
        ...

    def counter_of(self, decision: Decision, /) -> Callable[[], None]:
        """A function that counts one more decision of the same method, role and reason."""
        ...


DOMAIN: Final = "towpath"
"""The domain of every ErrorInfo that towpath itself gives."""

ADMISSION: Final = "admission"
"""The role that rejects calls of all callers alike, when a server has too many."""

BREAKER: Final = "breaker"
"""The role that keeps a client's calls of a method away from an endpoint that fails the method."""


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

    `reason` is for machines (upper case, as ErrorInfo asks), and `why` for people. `figures` are the values that decided. `pushback` is the
    time in seconds after which to try again, and the error has it as a RetryInfo too. A negative one asks for no further attempt, and None
    leaves it to the caller.
    """
    from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # noqa: PLC0415 # only a rejection needs it; 2 ms to import

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
    """Whether a layer rejected the call of `method` that ended in `error`, here or at the server, before its work began. An error that the
    method's handler passed on, from a call of its own to another method, is no such rejection."""
    return any(facts.get("method") == method.full_name for facts in _facts(error))


def shed(error: RpcError, method: str) -> bool:
    """Whether `error` says that the server rejected the call of `method` (the full name) since it was overloaded itself. A quota or
    bulkhead that is used up is no overload. Nor is a RESOURCE_EXHAUSTED of a handler or of another make of server, since it does not say
    whose share was exhausted."""
    return any(facts.get("method") == method and facts.get("role") == ADMISSION for facts in _facts(error))


def _facts(error: RpcError) -> Iterator[Mapping[str, str]]:
    """The metadata of the ErrorInfos that towpath itself gave."""
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.rpc.ErrorInfo" and getattr(detail, "domain", "") == DOMAIN:
            yield getattr(detail, "metadata", {})


def reason_of(error: RpcError) -> str:
    """The reason that a layer of towpath gave for `error`; empty if no layer did."""
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.rpc.ErrorInfo" and getattr(detail, "domain", "") == DOMAIN:
            return str(getattr(detail, "reason", ""))
    return ""


def role_of(error: RpcError) -> str:
    """The role of the layer of towpath that rejected the call which ended in `error`; empty if none did."""
    return next((facts["role"] for facts in _facts(error) if "role" in facts), "")
