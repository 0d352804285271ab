"""The inventory contract over real sockets and a real file: no seat held twice, no hold made twice, nothing lost with the process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skyline.inventory.__main__ import main as add_inventory
from skyline.inventory.v1 import inventory_pb2 as pb
from skyline.inventory.v1.inventory_towpath import InventoryServiceClient
from tests.programs import needed
from towpath import App, CallOptions, Code, RpcError, SetupError, connect
from towpath.settings import MethodConfig, ServiceConfig
from towpath.telemetry import CallMetrics

FLIGHT, OTHER = "flights/2013-01-01-UA1545-EWR", "flights/2013-01-01-B6725-JFK"
SEATS = 149  # of FLIGHT's aircraft, N14228
PATIENCE = 120.0
PATIENT = ServiceConfig(methods=(MethodConfig(names=(("", ""),), timeout=PATIENCE, source="test"),))
"""Gives every call two minutes: the contract's second is little on a busy machine."""


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[App]:
    # What the seats do under many hands is asked here; on a busy machine, admission would let through fewer of them than ask.
    async with App(ServiceConfig(idempotency=f"sqlite:///{folder / 'holds.db'}", admission="off")) as app:
        await add_inventory(app)
        await app.start("127.0.0.1", 0)
        yield app


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[InventoryServiceClient]:
    async with started(folder) as app, connect(app.address, config=PATIENT, metrics=CallMetrics()) as channel:
        yield InventoryServiceClient(channel)


def wanted(flight: str = FLIGHT, seats: int = 1, traveller: str = "Ada") -> pb.CreateHoldRequest:
    return pb.CreateHoldRequest(parent=flight, hold=pb.Hold(seats=seats, traveller=traveller))


def keyed(key: str) -> CallOptions:
    return CallOptions(idempotency_key=key, timeout=PATIENCE)


async def listed(client: InventoryServiceClient, parent: str = "flights/-", page_size: int = 0) -> list[pb.Hold]:
    holds: list[pb.Hold] = []
    token = ""
    while True:
        page = await client.list_holds(pb.ListHoldsRequest(parent=parent, page_size=page_size, page_token=token))
        holds += page.holds
        token = page.next_page_token
        if not token:
            return holds


def test_a_hold_takes_seats_and_its_end_gives_them_back(tmp_path: Path) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            made = await client.create_hold(wanted(seats=3), keyed("a"))
            assert (made.seats_left, made.hold.seats, made.hold.traveller) == (SEATS - 3, 3, "Ada")
            assert made.hold.name.startswith(f"{FLIGHT}/holds/")
            assert made.hold.create_time.seconds > 0
            assert await listed(client) == [made.hold]
            await client.delete_hold(pb.DeleteHoldRequest(name=made.hold.name))
            with pytest.raises(RpcError) as caught:
                await client.delete_hold(pb.DeleteHoldRequest(name=made.hold.name))
            assert caught.value.code is Code.NOT_FOUND
            assert (await client.create_hold(wanted(), keyed("b"))).seats_left == SEATS - 1

    asyncio.run(use())


def test_one_key_is_one_hold_also_over_a_restart(tmp_path: Path) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            answers = await asyncio.gather(*(client.create_hold(wanted(), keyed("once")) for _ in range(20)))
        async with served(tmp_path) as client:
            answers.append(await client.create_hold(wanted(), keyed("once")))
            assert all(answer == answers[0] for answer in answers)
            assert await listed(client) == [answers[0].hold]
            with pytest.raises(RpcError) as caught:
                await client.create_hold(wanted(seats=2), keyed("once"))
            assert caught.value.code is Code.FAILED_PRECONDITION

    asyncio.run(use())


def test_a_flight_is_sold_to_its_last_seat_and_no_further_however_many_ask_at_once(tmp_path: Path) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            calls = (client.create_hold(wanted(seats=2), keyed(str(number))) for number in range(100))
            ended = await asyncio.gather(*calls, return_exceptions=True)
            refusals = [error for error in ended if isinstance(error, RpcError)]
            assert (len(refusals), {error.code for error in refusals}) == (100 - SEATS // 2, {Code.FAILED_PRECONDITION})
            violation = refusals[0].details[0].violations[0]
            assert (violation.subject, violation.description) == (FLIGHT, f"{FLIGHT} has 1 seats left")
            assert sum(hold.seats for hold in await listed(client, FLIGHT)) == SEATS - 1
            assert (await client.create_hold(wanted(), keyed("last"))).seats_left == 0

    asyncio.run(use())


def test_holds_are_listed_by_flight_or_all_in_pages_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            made = [(await client.create_hold(wanted(FLIGHT if n % 2 else OTHER), keyed(str(n)))).hold for n in range(7)]
            assert await listed(client, page_size=3) == made
            assert await listed(client, FLIGHT, page_size=2) == made[1::2]
            assert await listed(client, "flights/2013-01-02-UA1-JFK") == []
            with pytest.raises(RpcError, match="page_token"):
                await client.list_holds(pb.ListHoldsRequest(parent=FLIGHT, page_token="made up"))

    asyncio.run(use())


@pytest.mark.parametrize(
    ("request_", "key", "code", "words"),
    [
        (wanted(), "", Code.INVALID_ARGUMENT, "header idempotency-key"),
        (wanted("flights/x"), "k", Code.INVALID_ARGUMENT, "parent: 'flights/x' is not the name of a flight"),
        (wanted("flights/-"), "k", Code.INVALID_ARGUMENT, "parent"),
        (wanted("flights/2013-02-01-UA1-JFK"), "k", Code.NOT_FOUND, "flights/2013-02-01-UA1-JFK"),
        (wanted(seats=0), "k", Code.INVALID_ARGUMENT, "hold.seats: 0 seats"),
        (wanted(seats=10), "k", Code.INVALID_ARGUMENT, "ask for 1 to 9"),
        (wanted(traveller=""), "k", Code.INVALID_ARGUMENT, "hold.traveller: has 0 characters"),
        (wanted(traveller="x" * 201), "k", Code.INVALID_ARGUMENT, "hold.traveller: has 201 characters"),
        (pb.CreateHoldRequest(parent=FLIGHT), "k", Code.INVALID_ARGUMENT, "hold.seats"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_held(
    tmp_path: Path, request_: pb.CreateHoldRequest, key: str, code: Code, words: str
) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            with pytest.raises(RpcError, match=words) as caught:
                await client.create_hold(request_, keyed(key))
            assert caught.value.code is code
            assert await listed(client) == []

    asyncio.run(use())


@pytest.mark.parametrize("name", ["", FLIGHT, f"{FLIGHT}/holds/", f"{FLIGHT}/holds/x", f"{FLIGHT}/holds/{'0' * 32}\n"])
def test_what_is_no_hold_is_not_looked_for(tmp_path: Path, name: str) -> None:
    async def use() -> None:
        async with served(tmp_path) as client:
            with pytest.raises(RpcError, match="is not a hold") as caught:
                await client.delete_hold(pb.DeleteHoldRequest(name=name))
            assert caught.value.code is Code.INVALID_ARGUMENT

    asyncio.run(use())


def test_a_hold_is_made_by_rest_with_the_key_in_its_header(tmp_path: Path) -> None:
    program = needed("curl")

    async def curl(*arguments: str) -> dict[str, dict[str, object]]:
        process = await asyncio.create_subprocess_exec(program, "-sSf", *arguments, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(out)

    async def use() -> None:
        async with started(tmp_path) as app:
            post = "-H", "content-type: application/json", "-H", "idempotency-key: k", "-d", '{"seats": 2, "traveller": "Ada"}'
            first = await curl(*post, f"http://{app.address}/v1/{FLIGHT}/holds")
            again = await curl(*post, f"http://{app.address}/v1/{FLIGHT}/holds")
            assert first == again
            assert first["seatsLeft"] == SEATS - 2
            assert (await curl(f"http://{app.address}/v1/flights/-/holds"))["holds"] == [first["hold"]]
            assert await curl("-X", "DELETE", f"http://{app.address}/v1/{first['hold']['name']}") == {}

    asyncio.run(use())


def test_a_store_that_cannot_hold_seats_is_refused_before_it_serves() -> None:
    async def use() -> None:
        async with App(ServiceConfig(idempotency="memory", idempotency_where="inventory.toml: service.idempotency")) as app:
            with pytest.raises(SetupError, match=r'inventory.toml: service.idempotency: .* set it to "sqlite:///PATH"'):
                await add_inventory(app)

    asyncio.run(use())
