"""What callers rely on. A test here fails before a change that would break those that run already.

Add to these tables with each method and field. Change or remove no entry: number a new field instead, and reserve the number of an old one.
"""

from catalogue.v1 import catalogue_pb2
from catalogue.v1.catalogue_towpath import CatalogueService

METHODS = {
    "ListProducts": ("ListProductsRequest", "ListProductsResponse"),
    "GetProduct": ("GetProductRequest", "GetProductResponse"),
    "UploadPicture": ("UploadPictureRequest", "UploadPictureResponse"),
    "DownloadPicture": ("DownloadPictureRequest", "HttpBody"),
}
"""The methods, with the names of their request and response."""

FIELDS = {
    "Product": {"sku": 1, "title": 2, "price_cents": 3},
    "ListProductsRequest": {"skus": 1},
    "ListProductsResponse": {"products": 1, "currency": 2},
    "GetProductRequest": {"sku": 1},
    "GetProductResponse": {"product": 1},
    "UploadPictureRequest": {"sku": 1, "picture": 2},
    "UploadPictureResponse": {"size": 1},
    "DownloadPictureRequest": {"sku": 1},
}
"""The messages, with the numbers of their fields."""


def test_each_method_is_where_callers_look_for_it() -> None:
    for name, (request, response) in METHODS.items():
        method = next(method for method in CatalogueService.spec.methods if method.name == name)
        assert method.full_name == f"catalogue.v1.CatalogueService/{name}"
        assert (method.request.DESCRIPTOR.name, method.response.DESCRIPTOR.name) == (request, response)


def test_each_field_has_the_number_that_callers_send() -> None:
    messages = catalogue_pb2.DESCRIPTOR.message_types_by_name
    for name, fields in FIELDS.items():
        assert {field: messages[name].fields_by_name[field].number for field in fields} == fields


def test_each_method_says_how_long_it_may_take() -> None:
    for method in CatalogueService.spec.methods:
        assert method.timeout is not None or method.kind.responses_stream, f"{method.name} has no timeout"
