"""A tenant gets its share, and does not see the others'."""

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import FAIL, SAY
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo

from towpath._core import clock
from towpath._core.context import Context
from towpath._core.decisions import Decision, reason_of
from towpath._core.errors import Code, RpcError
from towpath._layers.bucket import Rate
from towpath._layers.quota import RATE_LIMIT, LocalRates, Quota, RateLimit

NOW = 1000.0
ONE_A_SECOND = Rate(per_second=1)


class SharedRates:
    """A store, as another process would see it."""

    def __init__(self):
        self.rates = LocalRates()
        self.keys = []

    async def take(self, key, rate):
        self.keys.append(key)
        return self.rates.take(key, rate)


@pytest.fixture(autouse=True)
def _virtual_clock():
    with clock.using(lambda: NOW):
        yield


async def serve(request, _ctx):
    return request


def limited(*, shadow=False, **options):
    told = []
    quota = Quota(rate=ONE_A_SECOND, shadow=shadow)
    layer = RateLimit(quota_of=lambda method: quota if method is SAY else None, signal=told.append, **options)
    return layer.wrap(SAY, serve), told


@pytest.mark.parametrize("store", [None, SharedRates()])
async def test_a_call_too_many_is_told_when_to_come_again_and_whose_quota_it_was(store):
    handle, told = limited(store=store)
    await handle(SayRequest(), Context("a/b", tenant="acme"))
    rejected = Context("a/b", tenant="acme")
    with pytest.raises(RpcError) as caught:
        await handle(SayRequest(), rejected)
    error = caught.value
    assert (error.code, reason_of(error), error.pushback, error.unprocessed) == (Code.RESOURCE_EXHAUSTED, RATE_LIMIT, 1.0, True)
    assert error.message == "echo.v1.EchoService/Say: tenant acme may call 1 times a second"
    _, retry, quota = error.details
    assert isinstance(retry, RetryInfo)
    assert quota == QuotaFailure(
        violations=[QuotaFailure.Violation(subject="tenant:acme", description="tenant acme may call 1 times a second")]
    )
    assert told == [Decision("echo.v1.EchoService/Say", "quota", RATE_LIMIT, shadow=False, ctx=rejected, rejected=True)]


async def test_tenants_have_buckets_of_their_own_and_calls_without_one_share_theirs():
    handle, _ = limited()
    for tenant in ("acme", "umbrella", ""):
        await handle(SayRequest(), Context("a/b", tenant=tenant))
    with pytest.raises(RpcError, match="calls without a tenant may call"):
        await handle(SayRequest(), Context("a/b"))


async def test_a_store_is_asked_by_method_and_tenant():
    store = SharedRates()
    handle, _ = limited(store=store)
    await handle(SayRequest(), Context("a/b", tenant="acme"))
    assert store.keys == ["echo.v1.EchoService/Say|acme"]


@pytest.mark.parametrize("store", [None, SharedRates()])
async def test_in_shadow_everybody_passes(store):
    handle, told = limited(shadow=True, store=store)
    for _ in range(3):
        await handle(SayRequest(), Context("a/b"))
    assert [(said.reason, said.shadow, said.rejected) for said in told] == [(RATE_LIMIT, True, False)] * 2


@pytest.mark.parametrize(("per_second", "left"), [(1, 0), (2, 2)])
async def test_buckets_are_kept_when_the_layer_is_composed_anew_unless_the_rate_is_another(per_second, left):
    quota = Quota(rate=ONE_A_SECOND)
    layer = RateLimit(quota_of=lambda _: quota)
    await layer.wrap(SAY, serve)(SayRequest(), Context("a/b"))
    quota = Quota(rate=Rate(per_second=per_second))
    handle = layer.wrap(SAY, serve)
    for _ in range(left):
        await handle(SayRequest(), Context("a/b"))
    with pytest.raises(RpcError, match=f"may call {per_second} times"):
        await handle(SayRequest(), Context("a/b"))


def test_a_method_without_a_rate_has_no_such_role():
    assert RateLimit(quota_of=lambda _: None).wrap(FAIL, serve) is serve


def test_the_tenant_that_called_the_longest_ago_is_forgotten_first():
    rates = LocalRates(max_tenants=2)
    for key in ("a", "b", "a", "c"):
        rates.take(key, ONE_A_SECOND)
    assert len(rates) == 2
    assert rates.take("a", ONE_A_SECOND) > 0
    assert rates.take("b", ONE_A_SECOND) == 0


def test_room_for_no_tenant_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        LocalRates(0)
