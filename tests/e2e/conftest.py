"""Real servers of the stores' tests, for the example systems."""

from tests.stores.servers import postgres, valkey

__all__ = ["postgres", "valkey"]
