"""The handlers of CheckoutService: one method for each of the contract. The tenant of a call is the customer who buys."""

import asyncio
from collections.abc import AsyncIterator

from towpath import Code, Context, RpcError, background_task

from cart.v1.cart_pb2 import EmptyCartRequest, GetCartRequest
from cart.v1.cart_towpath import CartServiceClient
from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceClient
from checkout.orders import Orders
from checkout.settings import Settings
from checkout.v1 import checkout_pb2 as pb
from checkout.v1.checkout_towpath import CheckoutService


class Checkout(CheckoutService):
    """From a full cart to a parcel on its way."""

    def __init__(self, orders: Orders, cart: CartServiceClient, catalogue: CatalogueServiceClient, settings: Settings) -> None:
        self._orders = orders
        self._cart = cart
        self._catalogue = catalogue
        self._settings = settings

    async def place_order(self, request: pb.PlaceOrderRequest, ctx: Context) -> pb.PlaceOrderResponse:
        """Order what is in the cart, once for each idempotency key."""
        wanted = await self._wanted()
        async with self._orders.transaction() as tx:
            order = await self._orders.add(tx, ctx.tenant, wanted)
            answer = tx.answer(pb.PlaceOrderResponse(order=order))
        background_task(self._cart.empty_cart(EmptyCartRequest()), timeout=30.0)
        return answer

    async def watch_order(self, request: pb.WatchOrderRequest, ctx: Context) -> AsyncIterator[pb.WatchOrderResponse]:
        """The order now, and again each time that it has got on, until it is shipped."""
        seen = pb.ORDER_STATUS_UNSPECIFIED
        while seen != pb.ORDER_STATUS_SHIPPED:
            order = await self._orders.find(ctx.tenant, request.order_id)
            if order is None:
                raise RpcError(Code.NOT_FOUND, f"you have no order {request.order_id!r}")
            if order.status != seen:
                seen = order.status
                yield pb.WatchOrderResponse(order=order)
            else:
                await asyncio.sleep(self._settings.look)

    async def _wanted(self) -> pb.Order:
        """What is in the cart, at today's prices."""
        quantities = {item.sku: item.quantity for item in (await self._cart.get_cart(GetCartRequest())).items}
        if not quantities:
            raise _passing("the cart is empty; put something into it")
        listed = await self._catalogue.list_products(ListProductsRequest(skus=quantities))
        lines = [
            pb.OrderLine(sku=product.sku, title=product.title, quantity=quantities[product.sku], price_cents=product.price_cents)
            for product in listed.products
        ]
        if gone := quantities.keys() - {line.sku for line in lines}:
            raise _passing(f"not sold any more: {', '.join(sorted(gone))}; take it out of the cart")
        return pb.Order(lines=lines, total_cents=sum(line.quantity * line.price_cents for line in lines), currency=listed.currency)


def _passing(text: str) -> RpcError:
    """FAILED_PRECONDITION that the next attempt with the same key may not meet: `pushback` releases the key."""
    error = RpcError(Code.FAILED_PRECONDITION, text)
    error.pushback = 1.0
    return error
