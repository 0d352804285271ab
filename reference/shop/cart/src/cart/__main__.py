"""Run cart: `python -m cart`, with the settings of towpath.toml and of the environment."""

from collections.abc import AsyncIterator

from shop_layers import Audit, SignedIn
from towpath import App, run

from cart.carts import Carts
from cart.service import Cart
from cart.settings import Settings


async def main(app: App) -> AsyncIterator[None]:
    """Put the service together, and take it apart after the last call."""
    settings = app.settings_of(Settings)
    async with Carts.opened(settings.valkey, settings.kept_for) as carts:
        app.ready("valkey", carts.ping, every=1.0)
        app.add_layers(SignedIn(settings.key), Audit())
        app.add(Cart(carts))
        yield  # the service serves now


if __name__ == "__main__":
    run(main)
