"""Hops are read from what towpath's own metrics write."""

import asyncio
from pathlib import Path

import pytest

from skyline.demo.hops import read_hops
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
