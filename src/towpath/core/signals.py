"""What layers tell of their decisions: one function for the metrics, one shape of error for the caller.

Every refusal carries the role that refused, its reason, and the figures that decided it, in the ErrorInfo that the caller gets and, without
the figures, as labels of a metric. A layer knows neither where metrics go nor how an error travels.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from towpath.core.errors import Code, RpcError
from towpath.core.service import MethodSpec

Signal = Callable[[str, str, str, bool], None]
"""Told of a decision: full name of the method, role, reason, and whether it was taken in shadow mode, in which it has no effect. Called
on the loop; must be quick and must not raise."""

DOMAIN: Final = "towpath"
"""The domain of every ErrorInfo that towpath itself gives."""

ADMISSION: Final = "admission"
"""The role by which a server refuses what is too much for it, whoever asks."""


def unheard(method: str, role: str, reason: str, shadow: bool) -> None:
    """The signal of who tells nobody."""


def refusal(
    code: Code,
    method: MethodSpec[Any, Any],
    *,
    role: str,
    reason: str,
    why: str,
    figures: Mapping[str, str] | None = None,
    pushback: float | None = None,
) -> RpcError:
    """The error of a call that `role` refused before its work began.

    `reason` is for machines (upper case, as ErrorInfo asks), `why` for people, `figures` are what decided. `pushback` says in how many
    seconds to try again (also told as RetryInfo); negative means not to, None leaves it to the caller.
    """
    from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # noqa: PLC0415 # only who is refused needs it; 2 ms to import

    details: list[Any] = [ErrorInfo(reason=reason, domain=DOMAIN, metadata={"method": method.full_name, "role": role, **(figures or {})})]
    if pushback is not None and pushback >= 0:
        retry = RetryInfo()
        retry.retry_delay.FromNanoseconds(int(pushback * 1e9))
        details.append(retry)
    error = RpcError(code, f"{method.full_name}: {why}", details)
    error.pushback = pushback
    error.unprocessed = True
    return error


def refused(error: RpcError, method: MethodSpec[Any, Any]) -> bool:
    """Whether a layer refused the call of `method` that came to `error` before its work began, here or at the server: not one that its
    handler made, and whose error it let through."""
    return any(facts.get("method") == method.full_name for facts in _facts(error))


def shed(error: RpcError, method: str) -> bool:
    """Whether the server refused the call of `method` (its full name) because it was overloaded itself. A quota or bulkhead that is used
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
