"""The clients of other services. Where those are, `[targets]` of towpath.toml or TOWPATH_TARGET_<NAME> says."""

from shop_layers import Signing
from towpath import App

from cart.v1.cart_towpath import CartServiceClient
from catalogue.v1.catalogue_towpath import CatalogueServiceClient


def catalogue(app: App) -> CatalogueServiceClient:
    """A client of CatalogueService at the target `catalogue`."""
    return CatalogueServiceClient(app.channel("catalogue"))


def cart(app: App, key: str) -> CartServiceClient:
    """A client of CartService at the target `cart`, which wants to know for whom it is called."""
    return CartServiceClient(app.channel("cart").with_layers([Signing(key)]))
