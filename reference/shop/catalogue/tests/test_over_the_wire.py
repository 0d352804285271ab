"""The service as its callers meet it: a real server on a free port, with the stack of production and a database of its own.

SHOP_POSTGRES says where PostgreSQL is; without it, where towpath.toml says.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from shop_layers import token_of
from towpath import App, CallOptions, Code, RpcError, connect
from towpath.settings import OwnSettings, ServiceConfig

from catalogue.__main__ import main, once
from catalogue.v1.catalogue_pb2 import GetProductRequest, ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient

POSTGRES = os.environ.get("SHOP_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
KEY = "for tests alone"
PATIENT = CallOptions(timeout=60)
"""Long, so that a busy machine fails no test."""


async def on_the_server(statement: str) -> None:
    """Run a statement on PostgreSQL, outside of the service's database."""
    connection = await asyncpg.connect(POSTGRES)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(600):
        while True:
            if condition():
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[tuple[App, CatalogueServiceClient, str]]:
    """The service, a client of it, and the name of its database."""
    database = f"catalogue_{uuid4().hex}"
    await on_the_server(f"CREATE DATABASE {database}")
    own = OwnSettings({"database": POSTGRES.rpartition("/")[0] + f"/{database}", "key": KEY, "pictures": str(folder)})
    try:
        async with App(ServiceConfig(own=own)) as app:
            await app.setup(once, serves=False)
            await app.setup(main)
            await app.start("127.0.0.1", 0)
            async with connect(app.address) as channel:
                yield app, CatalogueServiceClient(channel), database
    finally:
        await on_the_server(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def test_products_are_found_by_their_number(tmp_path: Path) -> None:
    async def use() -> None:
        async with serving(tmp_path) as (_, client, _):
            everything = (await client.list_products(ListProductsRequest(), PATIENT)).products
            assert [product.title for product in everything] == ["Lantern", "Map of the canal", "Tow rope, 20 m"]
            some = (await client.list_products(ListProductsRequest(skus=["map", "anchor"]), PATIENT)).products
            assert [product.sku for product in some] == ["map"]
            assert (await client.get_product(GetProductRequest(sku="map"), PATIENT)).product == some[0]

    asyncio.run(use())


def test_a_product_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def use() -> None:
        async with serving(tmp_path) as (_, client, _):
            with pytest.raises(RpcError, match="there is no product 'anchor'") as caught:
                await client.get_product(GetProductRequest(sku="anchor"), PATIENT)
            assert caught.value.code is Code.NOT_FOUND

    asyncio.run(use())


def test_an_upload_without_a_piece_is_refused(tmp_path: Path) -> None:
    async def use() -> None:
        async with serving(tmp_path) as (_, client, _):
            staff = PATIENT.replace(metadata=[("authorization", f"Bearer {token_of('staff', KEY)}")])
            with pytest.raises(RpcError, match="there is no product ''") as caught:
                await client.upload_picture([], staff).response()
            assert caught.value.code is Code.NOT_FOUND

    asyncio.run(use())
    assert list(tmp_path.iterdir()) == []


def test_the_service_is_ready_while_its_database_is_there(tmp_path: Path) -> None:
    async def use() -> None:
        async with serving(tmp_path) as (app, _, database):
            assert app.readiness.ready
            await on_the_server(f"DROP DATABASE {database} WITH (FORCE)")
            await until(lambda: not app.readiness.ready)
            await on_the_server(f"CREATE DATABASE {database}")
            await until(lambda: app.readiness.ready)

    asyncio.run(use())
