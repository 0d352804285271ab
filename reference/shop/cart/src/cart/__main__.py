"""Run cart: `python -m cart`, with the settings of towpath.toml and of the environment."""

from towpath import App, run

from cart.carts import Carts
from cart.service import Cart
from cart.settings import Settings


async def main(app: App) -> None:
    """Put the service together."""
    settings = app.settings_of(Settings)
    carts = await app.enter(Carts.opened(settings.valkey, settings.kept_for))
    app.ready("valkey", carts.ping)
    app.add(Cart(carts))


if __name__ == "__main__":
    run(main)
