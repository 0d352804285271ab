"""The products, as rows of PostgreSQL."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from towpath import SetupError

from catalogue.v1.catalogue_pb2 import Product

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS products (sku text PRIMARY KEY, title text NOT NULL, price_cents integer NOT NULL)"
_FIRST: Final = [("rope", "Tow rope, 20 m", 2990), ("lamp", "Lantern", 1450), ("map", "Map of the canal", 800)]


class Products:
    """Made by `opened`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def opened(cls, database: str) -> AsyncGenerator["Products"]:
        """The products in `database`, over connections that are closed at the end. Raises SetupError if it cannot be reached."""
        try:
            pool = await asyncpg.create_pool(database, min_size=1, max_size=10)
        except (OSError, ValueError, asyncpg.PostgresError) as error:
            why = str(error) or type(error).__name__
            raise SetupError(f"settings.database cannot be opened: {why}; start PostgreSQL, or say where it is") from error
        async with pool:
            yield cls(pool)

    async def migrate(self) -> None:
        """Make the table, with something to sell, if it is missing."""
        await self._pool.execute(_SCHEMA)
        await self._pool.executemany("INSERT INTO products VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", _FIRST)

    async def ping(self) -> None:
        """Raises if the database does not answer."""
        await self._pool.execute("SELECT 1")

    async def find(self, skus: Sequence[str]) -> list[Product]:
        """Those of the numbers `skus`, or all if there are none, by title."""
        query = "SELECT sku, title, price_cents FROM products WHERE $1::text[] = '{}' OR sku = ANY($1) ORDER BY title"
        return [Product(**row) for row in await self._pool.fetch(query, list(skus))]
