"""Where answers are kept by idempotency key, and rates that processes share. Each store is loaded when it is first used, since each has its
own driver."""

from typing import TYPE_CHECKING, Any, Final

from towpath import _moved

if TYPE_CHECKING:
    from towpath._layers.idempotency.memory_store import MemoryStore, MemoryTransaction
    from towpath._layers.idempotency.store import Answer, Claim, IdempotencyStore, StoreUnavailable
    from towpath._stores.postgres import PostgresStore, PostgresTransaction
    from towpath._stores.redis import RedisStore
    from towpath._stores.redis_rates import RedisRates
    from towpath._stores.sqlite import SqliteStore, SqliteTransaction

__all__ = [
    "Answer",
    "Claim",
    "IdempotencyStore",
    "MemoryStore",
    "MemoryTransaction",
    "PostgresStore",
    "PostgresTransaction",
    "RedisRates",
    "RedisStore",
    "SqliteStore",
    "SqliteTransaction",
    "StoreUnavailable",
]

_MODULES: Final = {
    "Answer": "towpath._layers.idempotency.store",
    "Claim": "towpath._layers.idempotency.store",
    "StoreUnavailable": "towpath._layers.idempotency.store",
    "IdempotencyStore": "towpath._layers.idempotency.store",
    "MemoryStore": "towpath._layers.idempotency.memory_store",
    "MemoryTransaction": "towpath._layers.idempotency.memory_store",
    "SqliteStore": "towpath._stores.sqlite",
    "SqliteTransaction": "towpath._stores.sqlite",
    "PostgresStore": "towpath._stores.postgres",
    "PostgresTransaction": "towpath._stores.postgres",
    "RedisStore": "towpath._stores.redis",
    "RedisRates": "towpath._stores.redis_rates",
}


if not TYPE_CHECKING:  # see `towpath/__init__.py`
    from importlib import import_module

    def __getattr__(name: str) -> Any:
        module = _MODULES.get(name)
        return _moved.submodule(__name__, name) if module is None else getattr(import_module(module), name)


__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
