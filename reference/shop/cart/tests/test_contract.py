"""What callers rely on. A test here fails before a change that would break those that run already.

Add to these tables with each method and field. Change or remove no entry: number a new field instead, and reserve the number of an old one.
"""

from cart.v1 import cart_pb2
from cart.v1.cart_towpath import CartService

METHODS = {
    "GetCart": ("GetCartRequest", "GetCartResponse"),
    "SetItem": ("SetItemRequest", "SetItemResponse"),
    "EmptyCart": ("EmptyCartRequest", "EmptyCartResponse"),
}
"""The methods, with the names of their request and response."""

FIELDS = {
    "Item": {"sku": 1, "quantity": 2},
    "GetCartRequest": {},
    "GetCartResponse": {"items": 1},
    "SetItemRequest": {"sku": 1, "quantity": 2},
    "SetItemResponse": {},
    "EmptyCartRequest": {},
    "EmptyCartResponse": {},
}
"""The messages, with the numbers of their fields."""


def test_each_method_is_where_callers_look_for_it() -> None:
    for name, (request, response) in METHODS.items():
        method = next(method for method in CartService.spec.methods if method.name == name)
        assert method.full_name == f"cart.v1.CartService/{name}"
        assert (method.request.DESCRIPTOR.name, method.response.DESCRIPTOR.name) == (request, response)


def test_each_field_has_the_number_that_callers_send() -> None:
    messages = cart_pb2.DESCRIPTOR.message_types_by_name
    for name, fields in FIELDS.items():
        assert {field: messages[name].fields_by_name[field].number for field in fields} == fields


def test_each_method_says_how_long_it_may_take() -> None:
    for method in CartService.spec.methods:
        assert method.timeout is not None or method.kind.responses_stream, f"{method.name} has no timeout"
