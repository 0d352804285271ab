"""The pricing contracts: fares from the tariff, and the practice of answering late.

The delay is a plain wait in the handler, so that a slow pricing costs its callers what a slow dependency costs: a call that is open, and
time. Cancelling a call ends its wait.
"""

import asyncio
from typing import Final

from google.protobuf.duration_pb2 import Duration

from skyline.aip import MAX_PAGE_SIZE, flight_key, invalid
from skyline.pricing.tariff import Tariff
from skyline.pricing.v1 import pricing_pb2 as pb
from skyline.pricing.v1.practice_pb2 import SetDelayRequest, SetDelayResponse
from skyline.pricing.v1.practice_towpath import PricingPracticeService
from skyline.pricing.v1.pricing_towpath import PricingService
from towpath import Context

LONGEST_DELAY: Final = 60.0
"""Seconds."""


class Pricing(PricingService):
    """Answers after `delay`."""

    def __init__(self, tariff: Tariff) -> None:
        self.delay = Duration()
        """How long a call waits before it is answered."""
        self._tariff = tariff

    async def batch_get_fares(self, request: pb.BatchGetFaresRequest, ctx: Context) -> pb.BatchGetFaresResponse:
        """The fares of up to 200 flights, in the order asked."""
        if not 0 < len(request.flights) <= MAX_PAGE_SIZE:
            raise invalid("flights", f"{len(request.flights)} flights were named; name 1 to {MAX_PAGE_SIZE}")
        for flight in request.flights:
            flight_key("flights", flight)
        delay = seconds(self.delay)
        if delay:
            await asyncio.sleep(delay)
        prices = [(flight, self._tariff.price(flight)) for flight in request.flights]
        return pb.BatchGetFaresResponse(
            fares=[pb.Fare(flight=flight, price=price) for flight, price in prices if price is not None],
            unknown_flights=[flight for flight, price in prices if price is None],
        )


class Practice(PricingPracticeService):
    """Sets the delay of `pricing`; calls that wait already keep theirs."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing

    async def set_delay(self, request: SetDelayRequest, ctx: Context) -> SetDelayResponse:
        """From now on; answers with the delay before."""
        delay = seconds(request.delay)
        if not 0 <= delay <= LONGEST_DELAY:
            raise invalid("delay", f"{delay:g} s is not a delay; ask for 0 to {LONGEST_DELAY:g} s")
        previous, self._pricing.delay = self._pricing.delay, request.delay
        return SetDelayResponse(previous_delay=previous)


def seconds(duration: Duration) -> float:
    """As a number."""
    return duration.seconds + duration.nanos / 1e9
