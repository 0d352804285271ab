"""The handlers of CartService: one method for each of the contract. The tenant of a call is the customer whose cart it is."""

from typing import Final

from towpath import Code, Context, RpcError

from cart.carts import Carts
from cart.v1 import cart_pb2 as pb
from cart.v1.cart_towpath import CartService

MOST: Final = 99
"""Of one product in a cart."""


class Cart(CartService):
    """What each customer means to buy."""

    def __init__(self, carts: Carts) -> None:
        self._carts = carts

    async def get_cart(self, request: pb.GetCartRequest, ctx: Context) -> pb.GetCartResponse:
        """The cart, which may be empty."""
        found = await self._carts.items(ctx.tenant)
        return pb.GetCartResponse(items=[pb.Item(sku=sku, quantity=quantity) for sku, quantity in sorted(found.items())])

    async def set_item(self, request: pb.SetItemRequest, ctx: Context) -> pb.SetItemResponse:
        """Say how many of a product are to be in the cart."""
        if not request.sku:
            raise RpcError(Code.INVALID_ARGUMENT, "sku is empty; say which product")
        if not 0 <= request.quantity <= MOST:
            raise RpcError(Code.INVALID_ARGUMENT, f"quantity is {request.quantity}; a cart takes 0 to {MOST} of a product")
        await self._carts.put(ctx.tenant, request.sku, request.quantity)
        return pb.SetItemResponse()

    async def empty_cart(self, request: pb.EmptyCartRequest, ctx: Context) -> pb.EmptyCartResponse:
        """Take everything out."""
        await self._carts.empty(ctx.tenant)
        return pb.EmptyCartResponse()
