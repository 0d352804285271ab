"""Run checkout: `python -m checkout`, with the settings of towpath.toml and of the environment."""

import asyncio

from shop_layers import Audit, SignedIn
from towpath import App, SetupError, run
from towpath.stores import PostgresStore

from checkout import clients
from checkout.orders import Orders
from checkout.service import Checkout
from checkout.settings import Settings


async def opened(app: App) -> Orders:
    """The orders, in the database of the idempotency keys."""
    store = await app.store()
    if not isinstance(store, PostgresStore):
        raise SetupError(f"{app.config.idempotency_where}: orders are kept with their keys; set it to postgresql://...")
    return Orders(store)


async def ship(orders: Orders, packing: float) -> None:
    """Stands for the warehouse: each order is packed a while after it was placed, and shipped a while after that."""
    while True:
        await orders.get_on(packing)
        await asyncio.sleep(packing / 10)


async def once(app: App) -> None:
    """Make the table, before the first worker starts, and ship orders for all workers."""
    orders = await opened(app)
    await orders.migrate()
    app.background(ship(orders, app.settings_of(Settings).packing))


async def main(app: App) -> None:
    """Put the service together."""
    settings = app.settings_of(Settings)
    app.add_layers(SignedIn(settings.key), Audit())
    app.add(Checkout(await opened(app), clients.cart(app, settings.key), clients.catalogue(app), settings))


if __name__ == "__main__":
    run(main, once=once)
