"""The pricing contracts over real sockets: fares, and lateness that is asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google.protobuf.duration_pb2 import Duration

from skyline.pricing.service import Practice, Pricing
from skyline.pricing.v1.practice_pb2 import SetDelayRequest
from skyline.pricing.v1.practice_towpath import PricingPracticeServiceClient
from skyline.pricing.v1.pricing_pb2 import BatchGetFaresRequest
from skyline.pricing.v1.pricing_towpath import PricingServiceClient
from towpath import App, CallOptions, Code, RpcError, connect
from towpath.settings import MethodConfig, ServiceConfig
from towpath.telemetry import CallMetrics

FLIGHT, OTHER, NONE = "flights/2013-01-01-UA1545-EWR", "flights/2013-01-01-B6725-JFK", "flights/2013-01-01-UA1-JFK"
PATIENT = ServiceConfig(methods=(MethodConfig(names=(("", ""),), timeout=120.0, source="test"),))
"""Gives every call two minutes: the contract's second is little on a busy machine."""


@asynccontextmanager
async def served(pricing: Pricing) -> AsyncIterator[tuple[PricingServiceClient, PricingPracticeServiceClient]]:
    async with App() as app:
        app.add(pricing, Practice(pricing))
        await app.start("127.0.0.1", 0)
        async with connect(app.address, config=PATIENT, metrics=CallMetrics()) as channel:
            try:
                yield PricingServiceClient(channel), PricingPracticeServiceClient(channel)
            finally:
                pricing.delay = Duration()


def test_fares_come_in_the_order_asked_and_what_is_no_flight_is_named(pricing: Pricing) -> None:
    async def ask() -> None:
        async with served(pricing) as (client, _):
            answer = await client.batch_get_fares(BatchGetFaresRequest(flights=[OTHER, NONE, FLIGHT]))
        assert [fare.flight for fare in answer.fares] == [OTHER, FLIGHT]
        assert list(answer.unknown_flights) == [NONE]
        assert all(fare.price.units > 0 for fare in answer.fares)

    asyncio.run(ask())


@pytest.mark.parametrize("flights", [[], [FLIGHT] * 201, [FLIGHT, "flights/x"]])
def test_too_few_too_many_and_wrong_names_are_refused(pricing: Pricing, flights: list[str]) -> None:
    async def ask() -> None:
        async with served(pricing) as (client, _):
            with pytest.raises(RpcError, match="flights") as caught:
                await client.batch_get_fares(BatchGetFaresRequest(flights=flights))
        assert caught.value.code is Code.INVALID_ARGUMENT

    asyncio.run(ask())


def test_it_is_late_when_asked_to_be_until_asked_not_to(pricing: Pricing) -> None:
    async def ask() -> None:
        async with served(pricing) as (client, practice):
            request = BatchGetFaresRequest(flights=[FLIGHT])
            before = await practice.set_delay(SetDelayRequest(delay=Duration(seconds=50)))
            assert before.previous_delay == Duration()
            with pytest.raises(RpcError) as caught:
                await client.batch_get_fares(request, CallOptions(timeout=0.05))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            assert (await practice.set_delay(SetDelayRequest())).previous_delay == Duration(seconds=50)
            assert (await client.batch_get_fares(request)).fares

    asyncio.run(ask())


@pytest.mark.parametrize("delay", [Duration(seconds=-1), Duration(seconds=61), Duration(nanos=-1)])
def test_a_delay_that_is_none_is_refused(pricing: Pricing, delay: Duration) -> None:
    async def ask() -> None:
        async with served(pricing) as (_, practice):
            with pytest.raises(RpcError, match="delay") as caught:
                await practice.set_delay(SetDelayRequest(delay=delay))
        assert caught.value.code is Code.INVALID_ARGUMENT

    asyncio.run(ask())
