"""Who may call, and what is written down of it."""

import asyncio
import json
import uuid

import pytest
from towpath import CallOptions, Code, RpcError, connect

from cart.v1.cart_pb2 import GetCartRequest
from cart.v1.cart_towpath import CartServiceClient
from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient
from programs import Shop


@pytest.mark.parametrize("token", ["", "Bearer ada", "Bearer ada.0", "Basic ada"])
def test_a_call_without_a_token_of_the_shop_is_refused(shop: Shop, token: str) -> None:
    async def main() -> None:
        options = CallOptions(timeout=60, metadata=[("authorization", token)] if token else [])
        async with connect(shop["cart"]) as channel:
            with pytest.raises(RpcError, match="no token of this shop") as caught:
                await CartServiceClient(channel).get_cart(GetCartRequest(), options)
        assert caught.value.code is Code.UNAUTHENTICATED

    asyncio.run(main())


def test_anybody_may_look_at_the_products(shop: Shop) -> None:
    async def main() -> None:
        async with connect(shop["catalogue"]) as channel:
            found = await CatalogueServiceClient(channel).list_products(ListProductsRequest(skus=["map"]), CallOptions(timeout=60))
        assert [product.title for product in found.products] == ["Map of the canal"]

    asyncio.run(main())


def test_each_call_is_a_line_of_the_audit_log(shop: Shop) -> None:
    customer = f"grace-{uuid.uuid4()}"

    async def main() -> None:
        options = CallOptions(timeout=60, metadata=[("authorization", shop.token(customer))])
        async with connect(shop["cart"]) as channel:
            await CartServiceClient(channel).get_cart(GetCartRequest(), options)

    asyncio.run(main())
    entry = json.loads(shop.up.line(rf"shop\.audit: (\{{.*{customer}.*?\}})")[1])
    assert (entry["method"], entry["customer"], entry["ended"]) == ("GetCart", customer, "OK")
