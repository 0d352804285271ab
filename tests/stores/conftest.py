"""Real servers of the stores' tests, from wheels, on free ports of 127.0.0.1; the fixtures are in `tests.stores.servers`."""

from tests.stores.servers import opened, postgres, transactional, valkey

__all__ = ["opened", "postgres", "transactional", "valkey"]
