"""Hops are read from what towpath's own metrics write."""

import asyncio
from pathlib import Path

import pytest

from skyline.demo.hops import Hop, hops_of, read_hops, since
from skyline.demo.quantiles import Bucket
from skyline.flights.v1.flights_towpath import GET_FLIGHT, LIST_FLIGHTS
from towpath import Code, Context, RpcError, SetupError
from towpath.telemetry import CallMetrics, write_exposition


async def answer(request: object, ctx: Context) -> str:
    return "yes"


async def refuse(request: object, ctx: Context) -> str:
    raise RpcError(Code.NOT_FOUND, "no")


async def count_some(metrics: CallMetrics) -> None:
    ctx = Context("/test")
    served = metrics.server.wrap(LIST_FLIGHTS, answer)
    refused = metrics.server.wrap(LIST_FLIGHTS, refuse)
    made = metrics.client.wrap(GET_FLIGHT, answer)
    for _ in range(5):
        await served(None, ctx)
        await made(None, ctx)
    with pytest.raises(RpcError):
        await refused(None, ctx)


def test_each_side_of_each_method_is_a_hop(tmp_path: Path) -> None:
    metrics = CallMetrics()
    asyncio.run(count_some(metrics))
    write_exposition(metrics.registry, tmp_path / "flights.prom")
    made, served = sorted(read_hops({"flights": tmp_path / "flights.prom"}), key=lambda hop: hop.side)
    assert (made.process, made.side, made.method) == ("flights", "made", "skyline.flights.v1.FlightsService/GetFlight")
    assert (made.calls, made.errors) == (5, 0)
    assert (served.side, served.method) == ("served", "skyline.flights.v1.FlightsService/ListFlights")
    assert (served.calls, served.errors) == (6, 1)
    assert served.buckets[-1].below == 6
    assert 0 < served.quantile(0.5) < 1


def test_a_missing_dump_names_the_service_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"metrics of search cannot be read from .*search\.prom"):
        read_hops({"search": tmp_path / "search.prom"})


def test_a_dump_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.prom"
    path.write_text("rpc_server_call_duration_seconds_bucket{le= nonsense\n")
    with pytest.raises(SetupError, match="metrics of search"):
        read_hops({"search": path})


def hop(calls: int, errors: int, *below: float) -> Hop:
    buckets = tuple(Bucket(bound, number) for bound, number in zip((0.1, 1.0), below, strict=True))
    return Hop(process="search", method="a.b.C/Do", side="served", calls=calls, errors=errors, buckets=buckets)


def test_what_was_counted_before_is_left_out() -> None:
    assert since([hop(10, 3, 4, 10)], [hop(6, 1, 4, 6)]) == [hop(4, 2, 0, 4)]
    assert since([hop(6, 1, 4, 6)], [hop(6, 1, 4, 6)]) == []


def test_a_method_that_was_not_called_before_and_a_process_that_began_anew_are_whole() -> None:
    assert since([hop(3, 0, 3, 3)], []) == [hop(3, 0, 3, 3)]
    assert since([hop(3, 0, 3, 3)], [hop(6, 1, 4, 6)]) == [hop(3, 0, 3, 3)]


def test_what_a_service_answers_while_it_runs_is_read_as_its_dump_is(tmp_path: Path) -> None:
    metrics = CallMetrics()
    asyncio.run(count_some(metrics))
    write_exposition(metrics.registry, tmp_path / "flights.prom")
    whole = list(hops_of("flights", (tmp_path / "flights.prom").read_text()))
    assert since(whole, []) == read_hops({"flights": tmp_path / "flights.prom"})
