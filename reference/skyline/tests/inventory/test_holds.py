"""Rows of a real file: nobody sees what is not committed."""

import asyncio
from pathlib import Path

import pytest

from skyline.inventory.holds import Holds
from skyline.inventory.v1.inventory_pb2 import Hold
from towpath.stores import SqliteStore


def test_a_hold_that_is_rolled_back_was_never_seen(tmp_path: Path) -> None:
    async def use() -> None:
        store = SqliteStore(tmp_path / "holds.db")
        await store.open()
        holds = await Holds.open(store)

        async def fail() -> None:
            async with holds.transaction() as tx:
                await holds.add(tx, "flights/a", Hold(seats=1, traveller="Ada"))
                listings.append(asyncio.create_task(holds.on("flights/-")))
                await asyncio.sleep(0)  # it has begun
                raise ZeroDivisionError

        listings: list[asyncio.Task[list[Hold]]] = []
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await listings[0] == []
        async with holds.transaction() as tx:
            made = await holds.add(tx, "flights/a", Hold(seats=1, traveller="Ada"))
        assert await holds.on("flights/a") == [made]
        assert await holds.on("flights/b") == []
        await store.close()

    asyncio.run(use())


def test_a_file_is_opened_again_with_what_it_holds(tmp_path: Path) -> None:
    async def use() -> None:
        for count in range(3):
            store = SqliteStore(tmp_path / "holds.db")
            await store.open()
            holds = await Holds.open(store)
            assert len(await holds.on("flights/-")) == count
            async with holds.transaction() as tx:
                await holds.add(tx, "flights/a", Hold(seats=2, traveller="Ada"))
                assert await holds.taken(tx, "flights/a") == 2 * (count + 1)
            await store.close()

    asyncio.run(use())
