"""Run catalogue: `python -m catalogue`, with the settings of towpath.toml and of the environment."""

from pathlib import Path

from shop_layers import Audit, SignedIn
from towpath import App, run

from catalogue.pictures import Pictures
from catalogue.products import Products
from catalogue.service import Catalogue
from catalogue.settings import Settings


async def once(app: App) -> None:
    """Make the table, before the first worker starts."""
    async with Products.opened(app.settings_of(Settings).database) as products:
        await products.migrate()


async def main(app: App) -> None:
    """Put the service together."""
    settings = app.settings_of(Settings)
    products = await app.enter(Products.opened(settings.database))
    app.ready("database", products.ping, every=1.0)
    app.add_layers(SignedIn(settings.key, public={"ListProducts", "GetProduct", "DownloadPicture"}), Audit())
    app.add(Catalogue(products, Pictures(Path(settings.pictures), settings.max_picture), settings.currency))


if __name__ == "__main__":
    run(main, once=once)
