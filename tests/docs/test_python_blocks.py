"""Blocks of Python on pages without a program of their own: each is run with what the page takes for granted."""

import ast
import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skyline.airports.v1.airports_pb2 import Airport, GetAirportResponse
from skyline.airports.v1.airports_towpath import AirportsService
from tests.docs.blocks import ROOT, blocks
from tests.echo_service import PATIENCE
from towpath import App, CallOptions, Context, RpcError, connect
from towpath._cli.main import main
from towpath.settings import load
from towpath.stores import SqliteStore


def python(page: str) -> list[str]:
    return [block.body for block in blocks(page, (ROOT / "docs" / "howto" / page).read_text()) if block.kind == "python"]


PUT_TOGETHER, TESTED = python("add-a-service.md")
(GENERATED,) = re.findall(r"^\$ (towpath gen .*)$", (ROOT / "docs/howto/add-a-service.md").read_text(), re.MULTILINE)
SCRIPT, BLOCKING = python("call-without-asyncio.md")
KEY, TRANSACTION = python("idempotency.md")
(CONNECTED,) = python("reach-several-servers.md")
(AFTERWARDS,) = python("work-after-the-answer.md")

CONTRACT = """
syntax = "proto3";
package PACKAGE.v1;
service FaresService { rpc GetFare(Request) returns (GetFareResponse); }
service PaymentService { rpc Charge(Request) returns (Response); }
service InventoryService { rpc HoldSeats(HoldSeatsRequest) returns (HoldSeatsResponse); }
service OrderService { rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse); }
service FlightsService { rpc GetFlight(Request) returns (Response); }
message Request {}
message Response {}
message Fare { string currency = 1; }
message GetFareResponse { Fare fare = 1; }
message HoldSeatsRequest { string flight = 1; int32 seats = 2; }
message HoldSeatsResponse { int32 seats = 1; }
message PlaceOrderRequest {}
message PlaceOrderResponse { string order_id = 1; }
"""


async def run(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block, which may await, with `names`, to which it adds its own."""
    code = compile(source, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    made = eval(code, names)
    if inspect.isawaitable(made):
        await made
    return names


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The names of a contract of all that the pages take for granted, in a package of its own for each test, and those of towpath."""
    package = f"page{abs(hash(request.node.nodeid)) % 10**9}"
    (tmp_path / "proto" / package / "v1").mkdir(parents=True)
    (tmp_path / "proto" / package / "v1" / "all.proto").write_text(CONTRACT.replace("PACKAGE", package))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    (tmp_path / "src").mkdir()
    assert main(GENERATED.split()[1:]) == 0
    space: dict[str, Any] = {"App": App, "CallOptions": CallOptions, "Context": Context, "SqliteStore": SqliteStore, "connect": connect}
    exec(f"from {package}.v1.all_pb2 import *\nfrom {package}.v1.all_towpath import *", space)
    return space


async def served(app: App, main_function: Callable[[App], Any]) -> App:
    await main_function(app)
    await app.start("127.0.0.1", 0)
    return app


async def test_a_service_is_put_together_and_tested_as_the_page_says(names: dict[str, Any]) -> None:
    class Fares(names["FaresService"]):
        def __init__(self, flights: Any) -> None:
            self.flights = flights

        async def get_fare(self, request: Any, ctx: Context) -> Any:
            return names["GetFareResponse"](fare=names["Fare"](currency="USD"))

    names |= {"Fares": Fares, "known_flights": None, "request": names["Request"](), "__name__": "page"}
    source = "\n".join(line for line in PUT_TOGETHER.splitlines() if not line.startswith(("from fares", "from flights")))
    await run(source, names)
    config = load(None, {"TOWPATH_TARGET_FLIGHTS": "127.0.0.1:1"})
    async with await served(App(config), names["main"]) as app, connect(app.address) as channel:
        answer = await names["FaresServiceClient"](channel).get_fare(names["Request"](), CallOptions(timeout=PATIENCE))
    assert answer.fare.currency == "USD"
    await run(TESTED.replace("get_fare(request)", f"get_fare(request, CallOptions(timeout={PATIENCE}))"), names)
    await names["test_a_fare_is_found"]()


async def test_a_script_calls_without_asyncio() -> None:
    class Airports(AirportsService):
        async def get_airport(self, request: Any, ctx: Context) -> Any:
            return GetAirportResponse(airport=Airport(name=request.name))

        async def list_airports(self, request: Any, ctx: Context) -> Any:
            raise NotImplementedError

        async def batch_get_airports(self, request: Any, ctx: Context) -> Any:
            raise NotImplementedError

    async with App() as app:
        app.add(Airports())
        await app.start("127.0.0.1", 0)
        space: dict[str, Any] = {"CallOptions": CallOptions}
        patient = SCRIPT.replace('"airports/SFO")', f'"airports/SFO"), CallOptions(timeout={PATIENCE})')
        await asyncio.to_thread(exec, patient.replace("airports:8080", app.address), space)
        await asyncio.to_thread(space["channel"].close)
    assert space["airport"].airport.name == "airports/SFO"


async def test_a_handler_that_blocks_has_a_client_that_blocks(names: dict[str, Any]) -> None:
    class Reports(names["PaymentService"]):
        def __init__(self, flights: Any) -> None:
            self.flights = flights

        def charge(self, request: Any, ctx: Context) -> Any:
            try:
                self.flights.get_flight(names["Request"]())
            except RpcError as error:
                ctx.reply.headers = [("flights", error.code.name)]
            return names["Response"]()

    names["Reports"] = Reports
    await run(BLOCKING, names)
    config = load(None, {"TOWPATH_TARGET_FLIGHTS": "127.0.0.1:1"})
    async with await served(App(config), names["main"]) as app, connect(app.address) as channel:
        await names["PaymentServiceClient"](channel).charge(names["Request"](), CallOptions(timeout=PATIENCE))


async def test_a_caller_gives_a_key(names: dict[str, Any]) -> None:
    keys: list[str] = []

    class Payments(names["PaymentService"]):
        async def charge(self, request: Any, ctx: Context) -> Any:
            keys.append(ctx.idempotency_key)
            return names["Response"]()

    async with App() as app:
        app.add(Payments())
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            names |= {
                "client": names["PaymentServiceClient"](channel),
                "request": names["Request"](),
                "order": SimpleNamespace(id="order-7"),
            }
            await run(KEY.replace("CallOptions(", f"CallOptions(timeout={PATIENCE}, "), names)
    assert keys == ["order-7"]


async def test_an_effect_is_written_with_its_answer(names: dict[str, Any], tmp_path: Path) -> None:
    await run(TRANSACTION, names)
    config = load(None, {"TOWPATH_IDEMPOTENCY": f"sqlite:///{tmp_path}/keys.db"})
    async with await served(App(config), names["main"]) as app, connect(app.address) as channel:
        client, request = names["InventoryServiceClient"](channel), names["HoldSeatsRequest"](flight="UA 1", seats=2)
        for _ in range(2):
            answer = await client.hold_seats(request, CallOptions(timeout=PATIENCE, idempotency_key="k"))
            assert answer.seats == 2
        store: Any = await app.store()
        async with store.transaction() as tx:
            assert await tx.execute("SELECT * FROM holds") == [("UA 1", 2)]


async def test_a_channel_has_several_servers() -> None:
    space = await run(CONNECTED, {})
    await space["channel"].close()


async def test_work_goes_on_after_the_answer(names: dict[str, Any]) -> None:
    await run(AFTERWARDS, names)
    sent = asyncio.Event()

    class Shop(names["Orders"]):
        async def book(self, request: Any) -> Any:
            return SimpleNamespace(id="7")

        async def send_mail(self, order: Any) -> None:
            sent.set()

    async with App() as app:
        app.add(Shop())
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            client = names["OrderServiceClient"](channel)
            answer = await client.place_order(names["PlaceOrderRequest"](), CallOptions(timeout=PATIENCE))
        await sent.wait()
    assert answer.order_id == "7"
