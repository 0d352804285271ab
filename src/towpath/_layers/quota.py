"""The `quota` role: how many calls a second a tenant may make of a method.

Admission protects the server from all callers; a quota shares the server out. A tenant that calls in a loop is told so, and the others do
not notice. Buckets are local to the process unless a `store` shares them. If there are too many, the bucket that was used the longest ago
is forgotten, and a call of its tenant passes that should have waited. Calls without a tenant share one bucket.

The error is RESOURCE_EXHAUSTED, with the time to the next token as pushback and a QuotaFailure that names the tenant.
"""

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from google.rpc.error_details_pb2 import QuotaFailure

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, Signal, rejection, unheard
from towpath._core.errors import Code, RpcError
from towpath._core.service import Handler, MethodSpec
from towpath._layers.bucket import Rate, TokenBucket

ROLE: Final = "quota"
RATE_LIMIT: Final = "RATE_LIMIT"
"""The reason of a rejection."""

MAX_TENANTS: Final = 10_000
"""Tenants whose buckets a process keeps for one method."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """The quota of one method."""

    rate: Rate
    """How often each tenant may call the method."""
    shadow: bool = False
    """True lets every call pass, and counts those that the quota would have rejected."""


class RateStore(Protocol):
    """Buckets that several processes share."""

    async def take(self, key: str, rate: Rate) -> float:
        """Take a token from the bucket of `key`. Returns 0 if there was one, else the seconds until there will be one. An implementation
        that loses its server goes on without it and never raises: calls must be served even if their quota cannot be looked up. A cancelled
        call may lose its token."""
        ...


class LocalRates:
    """The buckets of this process, at most `max_tenants` (10,000). Beyond that the bucket that was used the longest ago is forgotten, with
    all that its tenant has used. Raises ValueError unless `max_tenants` is 1 or more."""

    __slots__ = ("_buckets", "_max_tenants")

    def __init__(self, max_tenants: int = MAX_TENANTS) -> None:
        if max_tenants < 1:
            raise ValueError(f"max_tenants is {max_tenants}; give 1 or more")
        self._max_tenants = max_tenants
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, rate: Rate) -> float:
        """Take a token as `RateStore.take` does, without waiting. A key keeps the rate that it is first used with."""
        buckets = self._buckets
        bucket = buckets.get(key)
        if bucket is None:
            if len(buckets) >= self._max_tenants:
                buckets.popitem(last=False)
            bucket = buckets[key] = TokenBucket(rate)
        else:
            buckets.move_to_end(key)
        return bucket.take(clock.now())


class RateLimit:
    """The layer. `quota_of` gives the quota of a method, or None for any rate; the layer asks it once per composition.

    `max_tenants` (10,000) bounds the buckets of a method without a `store`. `signal` is told of each rejection, in shadow mode too. A
    stream counts once, when it begins. A method that is wrapped anew at the same rate keeps its buckets.
    """

    role = ROLE

    def __init__(
        self,
        *,
        quota_of: Callable[[MethodSpec[Any, Any]], Quota | None],
        store: RateStore | None = None,
        max_tenants: int = MAX_TENANTS,
        signal: Signal = unheard,
    ) -> None:
        self._quota_of = quota_of
        self._store = store
        self._max_tenants = max_tenants
        self._signal = signal
        self._local: dict[str, tuple[Rate, LocalRates]] = {}

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a quota."""
        quota = self._quota_of(method)
        if quota is None:
            return following
        if self._store is not None:
            return self._shared(method, quota, self._store, following)
        rate = quota.rate
        known = self._local.get(method.full_name)
        local = LocalRates(self._max_tenants) if known is None or known[0] != rate else known[1]
        self._local[method.full_name] = rate, local

        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            seconds = local.take(ctx.tenant, rate)
            if seconds and (error := self._exceeded(method, quota, ctx, seconds)) is not None:
                return _raising(error)
            return following(request, ctx)

        return handle

    def _shared(self, method: MethodSpec[Any, Any], quota: Quota, store: RateStore, following: Handler) -> Handler:
        prefix = f"{method.full_name}|"

        async def handle(request: Any, ctx: Context) -> Any:
            seconds = await store.take(prefix + ctx.tenant, quota.rate)
            if seconds and (error := self._exceeded(method, quota, ctx, seconds)) is not None:
                raise error
            return await following(request, ctx)

        return handle

    def _exceeded(self, method: MethodSpec[Any, Any], quota: Quota, ctx: Context, seconds: float) -> RpcError | None:
        self._signal(Decision(method.full_name, ROLE, RATE_LIMIT, quota.shadow, ctx, not quota.shadow))
        if quota.shadow:
            return None
        rate, tenant = quota.rate, ctx.tenant
        who = f"tenant {tenant}" if tenant else "calls without a tenant"
        why = f"{who} may call {rate.per_second:g} times a second"
        error = rejection(
            Code.RESOURCE_EXHAUSTED,
            method,
            role=ROLE,
            reason=RATE_LIMIT,
            why=why,
            figures={"tenant": tenant, "per_second": f"{rate.per_second:g}", "burst": f"{rate.depth:g}"},
            pushback=seconds,
        )
        error.details += (QuotaFailure(violations=[QuotaFailure.Violation(subject=f"tenant:{tenant}", description=why)]),)
        return error


async def _raising(error: RpcError) -> Any:
    raise error
