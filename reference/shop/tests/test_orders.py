"""What a customer does, from the catalogue to a parcel on its way."""

import asyncio
import uuid

from towpath import CallOptions, connect

from cart.v1.cart_pb2 import GetCartRequest, SetItemRequest
from cart.v1.cart_towpath import CartServiceClient
from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient
from checkout.v1.checkout_pb2 import OrderStatus, PlaceOrderRequest, WatchOrderRequest
from checkout.v1.checkout_towpath import CheckoutServiceClient
from programs import Shop


def test_an_order_is_placed_once_and_followed_until_it_is_shipped(shop: Shop) -> None:
    async def main() -> None:
        ada = CallOptions(timeout=60, metadata=[("authorization", shop.token(f"ada-{uuid.uuid4()}"))])
        async with connect(shop["catalogue"]) as catalogue, connect(shop["cart"]) as cart, connect(shop["checkout"]) as checkout:
            on_offer = (await CatalogueServiceClient(catalogue).list_products(ListProductsRequest(), ada)).products
            prices = {product.sku: product.price_cents for product in on_offer}
            await CartServiceClient(cart).set_item(SetItemRequest(sku="rope", quantity=1), ada)
            await CartServiceClient(cart).set_item(SetItemRequest(sku="map", quantity=2), ada)

            client = CheckoutServiceClient(checkout)
            once = ada.replace(idempotency_key=str(uuid.uuid4()))
            order = (await client.place_order(PlaceOrderRequest(), once)).order
            assert order.total_cents == prices["rope"] + 2 * prices["map"]
            assert (await client.place_order(PlaceOrderRequest(), once)).order == order

            seen = [step.order.status async for step in client.watch_order(WatchOrderRequest(order_id=order.id), ada)]
            assert seen[-1] == OrderStatus.ORDER_STATUS_SHIPPED
            assert seen == sorted(set(seen))
            assert not (await CartServiceClient(cart).get_cart(GetCartRequest(), ada)).items

    asyncio.run(main())


def test_two_workers_of_checkout_serve_one_address(shop: Shop) -> None:
    assert shop.up.line(r"2 workers serve on (\S+)")[1] == shop["checkout"]
