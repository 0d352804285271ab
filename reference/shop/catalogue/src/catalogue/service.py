"""The handlers of CatalogueService: one method for each of the contract."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody
from towpath import Code, Context, RpcError

from catalogue.pictures import Pictures, PictureTooLargeError
from catalogue.products import Products
from catalogue.v1 import catalogue_pb2 as pb
from catalogue.v1.catalogue_towpath import CatalogueService

STAFF: Final = "staff"
"""The customer who is the shop itself."""

PICTURE: Final = "image/jpeg"
"""What a picture has to be."""


class Catalogue(CatalogueService):
    """What the shop sells, with its pictures."""

    def __init__(self, products: Products, pictures: Pictures, currency: str) -> None:
        self._products = products
        self._pictures = pictures
        self._currency = currency

    async def list_products(self, request: pb.ListProductsRequest, ctx: Context) -> pb.ListProductsResponse:
        """The products of the given numbers, or all of them, by title."""
        return pb.ListProductsResponse(products=await self._products.find(request.skus), currency=self._currency)

    async def get_product(self, request: pb.GetProductRequest, ctx: Context) -> pb.GetProductResponse:
        """One product, which a browser may keep for a minute."""
        ctx.http.cache_control(max_age=60)
        return pb.GetProductResponse(product=await self._found(request.sku))

    async def upload_picture(self, requests: AsyncIterator[pb.UploadPictureRequest], ctx: Context) -> pb.UploadPictureResponse:
        """Keep a picture, piece by piece."""
        if ctx.tenant != STAFF:
            raise RpcError(Code.PERMISSION_DENIED, "only the staff changes pictures")
        first = await anext(requests, pb.UploadPictureRequest())
        await self._found(first.sku)
        if first.picture.content_type != PICTURE:
            raise RpcError(Code.INVALID_ARGUMENT, f"the picture is {first.picture.content_type!r}; send {PICTURE}")

        async def pieces() -> AsyncIterator[bytes]:
            yield first.picture.data
            async for request in requests:
                yield request.picture.data

        try:
            return pb.UploadPictureResponse(size=await self._pictures.keep(first.sku, pieces()))
        except PictureTooLargeError:
            raise RpcError(Code.INVALID_ARGUMENT, "the picture is too large; send a smaller one") from None

    async def download_picture(self, request: pb.DownloadPictureRequest, ctx: Context) -> AsyncIterator[HttpBody]:
        """A picture, piece by piece."""
        try:
            async for piece in self._pictures.read(request.sku):
                yield HttpBody(content_type=PICTURE, data=piece)
        except FileNotFoundError:
            raise RpcError(Code.NOT_FOUND, f"there is no picture of {request.sku!r}") from None

    async def _found(self, sku: str) -> pb.Product:
        for product in await self._products.find([sku]):
            return product
        raise RpcError(Code.NOT_FOUND, f"there is no product {sku!r}; ListProducts has those that there are")
