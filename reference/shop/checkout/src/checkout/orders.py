"""The orders, as rows of the database in which towpath keeps the idempotency keys of this service.

An order is written in a transaction of the store that ends with the answer. Both are committed together or not at all: a caller that asks
again with its key, after a crash, say, gets the first answer and no second order.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from uuid import uuid4

from towpath.stores import PostgresStore, PostgresTransaction

from checkout.v1.checkout_pb2 import Order, OrderStatus

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS orders (
    id text PRIMARY KEY, customer text NOT NULL, content bytea NOT NULL, status integer NOT NULL, since timestamptz NOT NULL DEFAULT now()
)
"""
_GET_ON: Final = """
UPDATE orders SET status = status + 1, since = now() WHERE status < ? AND since < now() - make_interval(secs => ?) RETURNING id
"""


class Orders:
    """The orders in `store`, which is open. `migrate` makes the table."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def transaction(self) -> AbstractAsyncContextManager[PostgresTransaction]:
        """For what is to be one with the answer of the call."""
        return self._store.transaction()

    async def migrate(self) -> None:
        """Make the table if it is missing."""
        async with self._store.transaction() as tx:
            await tx.execute(_SCHEMA)

    async def add(self, tx: PostgresTransaction, customer: str, order: Order) -> Order:
        """Write `order` under a number of its own, and return it."""
        placed = Order(id=uuid4().hex, status=OrderStatus.ORDER_STATUS_PLACED)
        placed.MergeFrom(order)
        row = (placed.id, customer, placed.SerializeToString(), placed.status)
        await tx.execute("INSERT INTO orders (id, customer, content, status) VALUES (?, ?, ?, ?)", row)
        return placed

    async def find(self, customer: str, order_id: str) -> Order | None:
        """The order of that number as it is now; None if `customer` has none."""
        async with self._store.transaction() as tx:
            rows: list[Any] = await tx.execute("SELECT content, status FROM orders WHERE id = ? AND customer = ?", (order_id, customer))
        for content, status in rows:
            order = Order.FromString(content)
            order.status = status
            return order
        return None

    async def get_on(self, after: float) -> int:
        """Take each order a step further that has been where it is for `after` seconds; returns how many there were."""
        async with self._store.transaction() as tx:
            return len(await tx.execute(_GET_ON, (OrderStatus.ORDER_STATUS_SHIPPED, after)))
