"""The real servers that stores need; see `tests.stores.servers`."""

from tests.stores.servers import postgres

__all__ = ["postgres"]
