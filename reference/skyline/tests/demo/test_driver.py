"""The driver asks everything once, never more at a time than it may, and counts what fails instead of stopping."""

import asyncio
from datetime import date

import pytest

from skyline.demo.driver import Outcome, drive
from skyline.demo.traffic import Query
from skyline.search.v1.search_pb2 import FlightResult, SearchFlightsRequest, SearchFlightsResponse
from skyline.search.v1.search_towpath import SearchServiceClient
from towpath import Code, RpcError

QUESTIONS = [Query("JFK", "LAX", date(2013, 1, 1 + number % 31)) for number in range(100)]


class Answering:
    """A binder that answers after a few turns of the loop; on odd days with an error, on day 20 with many flights."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.now = 0
        self.most = 0

    def bind(self, method: object):
        async def call(request: SearchFlightsRequest, options: object) -> SearchFlightsResponse:
            self.asked.append(request.date.day)
            self.now += 1
            self.most = max(self.most, self.now)
            for _ in range(request.date.day):
                await asyncio.sleep(0)
            self.now -= 1
            if request.date.day % 2:
                raise RpcError(Code.UNAVAILABLE, "an odd day")
            return SearchFlightsResponse(results=[FlightResult()] * request.date.day)

        return call


def test_every_question_is_asked_once_and_counted() -> None:
    network = Answering()
    heard: list[int] = []

    def progress(outcome: Outcome) -> None:
        heard.append(outcome.calls)

    outcome = asyncio.run(drive(SearchServiceClient(network), QUESTIONS, concurrency=8, show=20, progress=progress))
    assert sorted(network.asked) == sorted(query.day.day for query in QUESTIONS)
    assert network.most == 8
    odd = sum(query.day.day % 2 for query in QUESTIONS)
    assert outcome.failed == {"UNAVAILABLE": odd}
    assert outcome.last_words == {"UNAVAILABLE": "an odd day"}
    assert outcome.calls == len(outcome.seconds) == 100
    assert heard == list(range(1, 101))
    assert outcome.shown is not None
    query, answer = outcome.shown
    assert len(answer.results) == query.day.day >= 20


def test_anything_but_an_rpc_error_ends_the_drive() -> None:
    class Broken:
        def bind(self, method: object):
            async def call(request: object, options: object) -> object:
                raise ZeroDivisionError

            return call

    with pytest.raises(ExceptionGroup):
        asyncio.run(drive(SearchServiceClient(Broken()), QUESTIONS, concurrency=2))
