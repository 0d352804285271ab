"""The service as its callers meet it: a real server on a free port, with the stack of production, and a real Valkey.

SHOP_VALKEY says where Valkey is; without it, where towpath.toml says.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from shop_layers import token_of
from towpath import App, CallOptions, Code, RpcError, connect
from towpath.settings import OwnSettings, ServiceConfig

from cart.__main__ import main
from cart.v1.cart_pb2 import EmptyCartRequest, GetCartRequest, SetItemRequest
from cart.v1.cart_towpath import CartServiceClient

VALKEY = os.environ.get("SHOP_VALKEY", "redis://127.0.0.1:6379/0")
KEY = "for tests alone"


def customer() -> CallOptions:
    """The calls of a new customer, who is patient: a busy machine fails no test."""
    return CallOptions(timeout=60, metadata=[("authorization", f"Bearer {token_of(uuid4().hex, KEY)}")])


@asynccontextmanager
async def serving() -> AsyncGenerator[CartServiceClient]:
    async with App(ServiceConfig(own=OwnSettings({"valkey": VALKEY, "key": KEY}))) as app:
        await app.setup(main)
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            yield CartServiceClient(channel)


async def items(client: CartServiceClient, options: CallOptions) -> dict[str, int]:
    return {item.sku: item.quantity for item in (await client.get_cart(GetCartRequest(), options)).items}


def test_a_cart_is_filled_and_emptied() -> None:
    async def use() -> None:
        async with serving() as client:
            ada = customer()
            for sku, quantity in (("rope", 1), ("map", 2), ("rope", 3), ("lamp", 1), ("lamp", 0)):
                await client.set_item(SetItemRequest(sku=sku, quantity=quantity), ada)
            assert await items(client, ada) == {"map": 2, "rope": 3}
            assert await items(client, customer()) == {}
            await client.empty_cart(EmptyCartRequest(), ada)
            assert await items(client, ada) == {}

    asyncio.run(use())


@pytest.mark.parametrize(("sku", "quantity"), [("", 1), ("map", -1), ("map", 100)])
def test_what_fits_in_no_cart_is_refused(sku: str, quantity: int) -> None:
    async def use() -> None:
        async with serving() as client:
            with pytest.raises(RpcError) as caught:
                await client.set_item(SetItemRequest(sku=sku, quantity=quantity), customer())
            assert caught.value.code is Code.INVALID_ARGUMENT

    asyncio.run(use())
