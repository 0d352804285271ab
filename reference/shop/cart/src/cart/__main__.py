"""Run cart: `python -m cart`, with the settings of towpath.toml and of the environment."""

from shop_layers import Audit, SignedIn
from towpath import App, run

from cart.carts import Carts
from cart.service import Cart
from cart.settings import Settings


async def main(app: App) -> None:
    """Put the service together."""
    settings = app.settings_of(Settings)
    carts = await app.enter(Carts.opened(settings.valkey, settings.kept_for))
    app.ready("valkey", carts.ping, every=1.0)
    app.add_layers(SignedIn(settings.key), Audit())
    app.add(Cart(carts))


if __name__ == "__main__":
    run(main)
