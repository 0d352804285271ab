"""The carts, each a hash in Valkey: the number of a product, and how many of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import redis.asyncio

_driver: Final[Any] = redis.asyncio  # the types of its options are not all known


class Carts:
    """Made by `opened`. A cart is forgotten `kept_for` seconds after its last change."""

    def __init__(self, valkey: Any, kept_for: float) -> None:
        self._valkey = valkey
        self._kept_for = int(kept_for)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, kept_for: float) -> AsyncGenerator["Carts"]:
        """The carts at `url`, over connections that are closed at the end."""
        async with _driver.Redis.from_url(url, decode_responses=True) as valkey:
            yield cls(valkey, kept_for)

    async def ping(self) -> None:
        """Raises if Valkey does not answer."""
        await self._valkey.ping()

    async def items(self, customer: str) -> dict[str, int]:
        """What is in the cart of `customer`."""
        return {sku: int(quantity) for sku, quantity in (await self._valkey.hgetall(f"cart:{customer}")).items()}

    async def put(self, customer: str, sku: str, quantity: int) -> None:
        """Have `quantity` of a product in the cart; with 0 it is taken out."""
        async with self._valkey.pipeline() as both:
            if quantity:
                both.hset(f"cart:{customer}", sku, str(quantity))
            else:
                both.hdel(f"cart:{customer}", sku)
            both.expire(f"cart:{customer}", self._kept_for)
            await both.execute()

    async def empty(self, customer: str) -> None:
        """Take everything out."""
        await self._valkey.delete(f"cart:{customer}")
