"""What callers rely on. A test here fails before a change that would break those that run already.

Add to these tables with each method and field. Change or remove no entry: number a new field instead, and reserve the number of an old one.
"""

from checkout.v1 import checkout_pb2
from checkout.v1.checkout_towpath import CheckoutService

METHODS = {
    "PlaceOrder": ("PlaceOrderRequest", "PlaceOrderResponse"),
    "WatchOrder": ("WatchOrderRequest", "WatchOrderResponse"),
}
"""The methods, with the names of their request and response."""

FIELDS = {
    "Order": {"id": 1, "status": 2, "lines": 3, "total_cents": 4, "currency": 5},
    "OrderLine": {"sku": 1, "title": 2, "quantity": 3, "price_cents": 4},
    "PlaceOrderRequest": {},
    "PlaceOrderResponse": {"order": 1},
    "WatchOrderRequest": {"order_id": 1},
    "WatchOrderResponse": {"order": 1},
}
"""The messages, with the numbers of their fields."""


def test_each_method_is_where_callers_look_for_it() -> None:
    for name, (request, response) in METHODS.items():
        method = next(method for method in CheckoutService.spec.methods if method.name == name)
        assert method.full_name == f"checkout.v1.CheckoutService/{name}"
        assert (method.request.DESCRIPTOR.name, method.response.DESCRIPTOR.name) == (request, response)


def test_each_field_has_the_number_that_callers_send() -> None:
    messages = checkout_pb2.DESCRIPTOR.message_types_by_name
    for name, fields in FIELDS.items():
        assert {field: messages[name].fields_by_name[field].number for field in fields} == fields


def test_each_method_says_how_long_it_may_take() -> None:
    for method in CheckoutService.spec.methods:
        assert method.timeout is not None or method.kind.responses_stream, f"{method.name} has no timeout"
