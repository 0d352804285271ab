"""Trouble that cannot be made, and what the layers decided, read from the metrics that services leave behind."""

import asyncio
from datetime import date

import pytest

from skyline.demo.bookings import Booking
from skyline.demo.slowest import Recordings
from skyline.demo.traffic import Query
from skyline.demo.trouble import Maker, decisions
from skyline.inventory.v1.inventory_pb2 import CreateHoldResponse
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from skyline.search.v1.search_pb2 import SearchFlightsResponse
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath import Decision, SetupError
from towpath.telemetry import CallMetrics, write_exposition


def test_decisions_are_summed_over_processes_and_methods_without_those_in_shadow(tmp_path):
    paths = [tmp_path / "a.prom", tmp_path / "b.prom"]
    for path in paths:
        metrics = CallMetrics()
        metrics.decisions(Decision("x.X/A", "retry", "ATTEMPT", False, None))
        metrics.decisions(Decision("x.X/B", "retry", "ATTEMPT", False, None))
        metrics.decisions(Decision("x.X/A", "breaker", "BREAKER_OPEN", True, None))
        write_exposition(metrics.registry, path)
    assert decisions(paths) == {("retry", "ATTEMPT"): 4}


def test_a_service_that_does_not_come_back_is_named(tmp_path):
    class Answering:
        def bind(self, method):
            async def call(request, options):
                await asyncio.sleep(0)
                return SearchFlightsResponse() if method.name == "SearchFlights" else CreateHoldResponse()

            return call

    class Gone:
        async def kill(self, name):
            assert name == "inventory"

        async def respawn(self, name):
            raise SetupError("its port was taken meanwhile")

    asked = [Query("JFK", "LAX", date(2013, 1, 1))] * 9
    maker = Maker(Gone(), asked, [Booking("flights/a", str(n)) for n in range(9)], Recordings(tmp_path), concurrency=2)
    with pytest.raises(SetupError, match="taken meanwhile"):
        asyncio.run(maker._crashing(SearchServiceClient(Answering()), InventoryServiceClient(Answering())))
