"""The values that apply to a method, and their sources: call option > service file > contract option > default.

One function decides for every role of the stack and for `towpath explain`, so that what is printed is what runs. `MethodConfig` is gRPC's
(https://github.com/grpc/grpc/blob/master/doc/service_config.md), with its rule of matching. The entry that names the method exactly
applies, else the entry that names its service, else the entry that names neither. It applies alone: entries are not merged, so one entry
says all that the file has to say about a method.

This module reads no files: the application reads the service file, and the contract's options arrive in the `MethodSpec`. Names are full
names here: `towpath._app.settings.method_names` writes out the names in a file, and raises SetupError for a name that no method has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Generic, TypeVar

from towpath._contracts.attempts import unsafe
from towpath._core.context import NO_OPTIONS, CallOptions, Criticality
from towpath._core.errors import SetupError
from towpath._core.policies import FallbackPolicy, HedgingPolicy, RetryPolicy
from towpath._core.service import MethodSpec

_T = TypeVar("_T")

CALL_OPTION: Final = "call option"
CONTRACT_OPTION: Final = "contract option"
DEFAULT: Final = "default"

MethodName = tuple[str, str]
"""The methods that an entry is for, as `(service, method)`: one method, every method of a service (method empty), or all (both empty)."""


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """One entry of a service file's `methodConfig`; the contract decides about each value that is None. Raises `SetupError`, naming the
    entry, for an entry that gRPC refuses too: no name at all, a method without its service, a timeout that is not a positive number,
    retries and hedges at once."""

    names: tuple[MethodName, ...]
    """The services and methods that the entry is for; an empty name stands for all."""
    timeout: float | None = None
    """In seconds, more than zero."""
    criticality: Criticality | None = None
    """How important the calls are."""
    retry: RetryPolicy | None = None
    """How failed attempts are repeated; excludes `hedge`, as in gRPC."""
    hedge: HedgingPolicy | None = None
    """How slow attempts are overtaken; excludes `retry`."""
    fallback: FallbackPolicy | None = None
    """How a call is answered that the server fails."""
    source: str = "service file"
    """The entry as `towpath explain` names it, such as `towpath.toml [[methodConfig]] #2`."""

    def __post_init__(self) -> None:
        if not self.names:
            raise SetupError(f"{self.source}: name lists no method; give at least one entry, {{}} for every method")
        for service, method in self.names:
            if method and not service:
                raise SetupError(f"{self.source}: name has the method {method!r} but no service; add the service it belongs to")
        if self.timeout is not None and not (isfinite(self.timeout) and self.timeout > 0):
            raise SetupError(f"{self.source}: timeout is {self.timeout:g} s; give more than zero, or leave it out")
        if self.retry is not None and self.hedge is not None:
            raise SetupError(f"{self.source}: has both retryPolicy and hedgingPolicy; keep one, since each decides when to try again")


_NO_ENTRY: Final = MethodConfig(names=(("", ""),))
_ONCE: Final = RetryPolicy(max_attempts=1)
"""For requests that stream, which are gone once sent, and for hedged calls, which get their further attempts from the hedge."""


@dataclass(frozen=True)
class Resolved(Generic[_T]):
    """A value and its source: `call option`, a `MethodConfig.source`, `contract option` or `default`."""

    value: _T
    source: str

    def __str__(self) -> str:
        return f"{self.value} ({self.source})"


@dataclass(frozen=True, kw_only=True)
class MethodPolicy:
    """The values that apply to one method."""

    timeout: Resolved[float | None]
    """In seconds; None for no end."""
    criticality: Resolved[Criticality | None]
    """None inherits the caller's, and is CRITICAL at the edge."""
    retry: Resolved[RetryPolicy]
    """Never None: a method without retries has a policy of one attempt."""
    hedge: Resolved[HedgingPolicy | None]
    """None for no hedges."""
    fallback: Resolved[FallbackPolicy | None]
    """None for no fallback."""


def resolve(
    method: MethodSpec[Any, Any],
    service_file: Sequence[MethodConfig] | None = None,
    call: CallOptions | None = None,
) -> MethodPolicy:
    """Settle each value of `method` by the first source that gives it: `call`, the matching entry of `service_file`, the contract, the
    default.

    Without `call` the result holds for a call that sets nothing for itself. Raises `SetupError` if two entries claim the same name, and if
    an entry has a method that is not idempotent done twice.
    """
    call = call or NO_OPTIONS
    entry = matching(method, service_file or ()) or _NO_ENTRY
    reason = unsafe(entry.retry, entry.hedge, repeatable=method.repeatable)
    if reason:
        raise SetupError(f"{entry.source}: {method.full_name}: {reason}; declare it in the contract, or take the policy away")
    # A source that has either of the two decides on both, or a file could not take back the hedge that a contract declares.
    said = entry if entry.retry or entry.hedge else None
    return MethodPolicy(
        timeout=_first(
            (call.timeout, CALL_OPTION),
            (entry.timeout, entry.source),
            (method.timeout, CONTRACT_OPTION),
            default=method.default_timeout,
        ),
        criticality=_first(
            (call.criticality, CALL_OPTION),
            (entry.criticality, entry.source),
            (method.criticality, CONTRACT_OPTION),
            default=None,
        ),
        retry=_first(
            (said.retry if said else None, entry.source),
            (None if said else method.retry, CONTRACT_OPTION),
            default=_ONCE if method.kind.requests_stream or (said or method).hedge else RetryPolicy(),
        ),
        hedge=_first((said.hedge if said else None, entry.source), (None if said else method.hedge, CONTRACT_OPTION), default=None),
        fallback=_first((entry.fallback, entry.source), default=None),
    )


def matching(method: MethodSpec[Any, Any], configs: Sequence[MethodConfig]) -> MethodConfig | None:
    """The one entry that applies to `method`, or None. Raises `SetupError` if two entries claim the same name."""
    by_name = by_method_name(configs)
    return by_name.get((method.service, method.name)) or by_name.get((method.service, "")) or by_name.get(("", ""))


def by_method_name(configs: Sequence[MethodConfig]) -> dict[MethodName, MethodConfig]:
    """The entries by each name that they claim. Raises `SetupError` naming both entries if two claim the same one."""
    found: dict[MethodName, MethodConfig] = {}
    for config in configs:
        for name in config.names:
            other = found.setdefault(name, config)
            if other is not config:
                raise SetupError(f"{config.source}: {_described(name)} is already configured by {other.source}; keep one of the two")
    return found


def _described(name: MethodName) -> str:
    service, method = name
    return f"{service}/{method}" if method else service or "every method"


def _first(*given: tuple[_T | None, str], default: _T) -> Resolved[_T]:
    for value, source in given:
        if value is not None:
            return Resolved(value, source)
    return Resolved(default, DEFAULT)
