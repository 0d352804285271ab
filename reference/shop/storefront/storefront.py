"""The storefront: a Flask application that calls the shop without asyncio, and serves the page that calls it from the browser.

    PYTHONPATH=../catalogue/src flask --app storefront run

It stands for what many teams have already. `?as=ada` stands for a login.
"""

import os

from flask import Flask, Response, render_template, request
from towpath import Code, RpcError, connect_sync

from catalogue.v1.catalogue_pb2 import ListProductsRequest
from catalogue.v1.catalogue_towpath import CatalogueServiceSyncClient
from shop_layers import token_of

CATALOGUE = os.environ.get("SHOP_CATALOGUE", "127.0.0.1:8080")
CART = os.environ.get("SHOP_CART", "127.0.0.1:8081")
CHECKOUT = os.environ.get("SHOP_CHECKOUT", "127.0.0.1:8082")
KEY = os.environ.get("SHOP_KEY", "for development alone")

app = Flask(__name__)
catalogue = CatalogueServiceSyncClient(connect_sync(CATALOGUE))  # one for all threads, and the workers after a fork


@app.get("/")
def page() -> str:
    """The products, and what the page needs to buy them."""
    customer = request.args.get("as", "guest")
    return render_template(
        "page.html",
        products=catalogue.list_products(ListProductsRequest()).products,
        shop={"cart": f"http://{CART}", "checkout": f"http://{CHECKOUT}", "token": token_of(customer, KEY)},
    )


@app.errorhandler(RpcError)
def failed(error: RpcError) -> Response:
    """An error of the shop, as text: what a caller sent may be in it, which is not to become HTML."""
    return Response(error.message, 503 if error.code is Code.UNAVAILABLE else 500, mimetype="text/plain")
