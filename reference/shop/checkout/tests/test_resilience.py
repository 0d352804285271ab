"""Bad days, in the simulator: real servers and clients, but virtual time, and a catalogue and a cart that can be broken."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from shop_layers import SignedIn, token_of
from towpath import App, CallOptions, Code, Context, RpcError, connect
from towpath.settings import ServiceConfig
from towpath.stores import MemoryStore
from towpath.testing import Fault, Faults, Node, Simulation
from towpath.testing.fixtures import Simulate
from towpath.transport import Server

from cart.v1 import cart_pb2 as cart
from cart.v1.cart_towpath import CartService
from catalogue.v1 import catalogue_pb2 as catalogue
from catalogue.v1.catalogue_towpath import CatalogueService
from checkout import clients
from checkout.orders import Orders
from checkout.service import Checkout
from checkout.settings import Settings
from checkout.v1.checkout_pb2 import Order, PlaceOrderRequest
from checkout.v1.checkout_towpath import CheckoutServiceClient

KEY = "for tests alone"
ADA = CallOptions(metadata=[("authorization", f"Bearer {token_of('ada', KEY)}")])


class OneMap(CatalogueService):
    """A catalogue with one product."""

    async def list_products(self, request: catalogue.ListProductsRequest, ctx: Context) -> catalogue.ListProductsResponse:
        product = catalogue.Product(sku="map", title="Map of the canal", price_cents=800)
        return catalogue.ListProductsResponse(products=[product], currency="EUR")

    async def get_product(self, request: catalogue.GetProductRequest, ctx: Context) -> catalogue.GetProductResponse:
        raise NotImplementedError

    async def upload_picture(self, requests: AsyncIterator[Any], ctx: Context) -> catalogue.UploadPictureResponse:
        raise NotImplementedError

    async def download_picture(self, request: catalogue.DownloadPictureRequest, ctx: Context) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield


class TwoMaps(CartService):
    """A cart in which there are always two maps."""

    async def get_cart(self, request: cart.GetCartRequest, ctx: Context) -> cart.GetCartResponse:
        assert ctx.tenant == "ada"
        return cart.GetCartResponse(items=[cart.Item(sku="map", quantity=2)])

    async def set_item(self, request: cart.SetItemRequest, ctx: Context) -> cart.SetItemResponse:
        raise NotImplementedError

    async def empty_cart(self, request: cart.EmptyCartRequest, ctx: Context) -> cart.EmptyCartResponse:
        return cart.EmptyCartResponse()


class RememberedOrders(Orders):
    """Orders in memory, written as rows are: with the answer or not at all."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.placed: list[Order] = []

    async def add(self, tx: Any, customer: str, order: Order) -> Order:
        self.placed.append(order)
        return order


@asynccontextmanager
async def checkout(run: Simulation, *faults: Fault) -> AsyncGenerator[tuple[RememberedOrders, CheckoutServiceClient, Node]]:
    """A client of checkout, with `faults` in the calls of the catalogue and the cart; the catalogue's machine is there to be broken."""
    shelf, basket = run.node("catalogue"), run.node("cart")
    servers = [await serve(shelf, OneMap(), faults), await serve(basket, TwoMaps(), faults, SignedIn(KEY))]
    store = MemoryStore()
    orders = RememberedOrders(store)
    config = ServiceConfig(targets={"catalogue": "catalogue:8080", "cart": "cart:8080"}, insecure=True)
    async with App(config, idempotency=store) as app, connect("checkout:8080", insecure=True) as channel:
        app.add_layers(SignedIn(KEY))
        app.add(Checkout(orders, clients.cart(app, KEY), clients.catalogue(app), Settings(key=KEY)))
        await app.start(sock=run.node("checkout").listen(8080))
        yield orders, CheckoutServiceClient(channel), shelf
    for server in servers:
        await server.close()


async def serve(node: Node, service: Any, faults: tuple[Fault, ...], *layers: Any) -> Server:
    """`service` on a machine of its own, with `faults` in its calls."""
    server = Server([service], layers=[*layers, Faults(faults)])
    await server.start(sock=node.listen(8080), insecure=True)
    return server


def test_customers_do_not_notice_a_flaky_catalogue(simulation: Simulate) -> None:
    async def main(run: Simulation) -> None:
        flaky = Fault(methods="*/ListProducts", probability=0.2, code=Code.UNAVAILABLE)
        async with checkout(run, flaky) as (orders, client, _):
            for number in range(20):
                order = (await client.place_order(PlaceOrderRequest(), ADA.replace(idempotency_key=f"k-{number}"))).order
                assert order.total_cents == 1600
            assert len(orders.placed) == 20

    simulation(main)


def test_nobody_waits_longer_for_a_catalogue_that_hangs_than_the_contract_says(simulation: Simulate) -> None:
    async def main(run: Simulation) -> None:
        async with checkout(run, Fault(methods="*/ListProducts", latency=60)) as (orders, client, _):
            begun = run.elapsed
            with pytest.raises(RpcError) as caught:
                await client.place_order(PlaceOrderRequest(), ADA.replace(idempotency_key="k"))
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            assert run.elapsed - begun < 0.6  # ListProducts has half a second
            assert orders.placed == []

    simulation(main)


def test_an_order_that_failed_with_the_catalogue_is_placed_once_by_the_next_attempt(simulation: Simulate) -> None:
    async def main(run: Simulation) -> None:
        async with checkout(run) as (orders, client, shelf):
            once = ADA.replace(idempotency_key="k")
            shelf.crash()
            with pytest.raises(RpcError) as caught:
                await client.place_order(PlaceOrderRequest(), once)
            assert caught.value.code is Code.UNAVAILABLE
            assert orders.placed == []
            shelf.restart()
            server = await serve(shelf, OneMap(), ())
            waiting = once.replace(timeout=30, wait_for_ready=True)
            first = await client.place_order(PlaceOrderRequest(), waiting)
            assert await client.place_order(PlaceOrderRequest(), waiting) == first
            assert len(orders.placed) == 1
            await server.close()

    simulation(main)


def test_a_customer_who_gave_up_and_comes_again_has_ordered_once(simulation: Simulate) -> None:
    async def main(run: Simulation) -> None:
        async with checkout(run, Fault(methods="*/GetCart", latency=0.2)) as (orders, client, _):
            once = ADA.replace(idempotency_key="k")
            with pytest.raises(RpcError):
                await client.place_order(PlaceOrderRequest(), once.replace(timeout=0.1))
            order = await client.place_order(PlaceOrderRequest(), once)
            assert await client.place_order(PlaceOrderRequest(), once) == order
            assert len(orders.placed) == 1

    simulation(main)
