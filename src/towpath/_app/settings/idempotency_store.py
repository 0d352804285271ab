"""`service.idempotency` of the service file: the store in which a service keeps the answers to calls with an idempotency key.

    idempotency = "memory"                     # the default: in this process alone, and lost when it ends
    idempotency = "sqlite:///run/keys.db"      # a file, for the processes of one machine; three slashes, then the path
    idempotency = "postgresql://..."           # or "redis://...", for all processes of the service
    idempotency = "off"                        # idempotency keys have no effect

No message shows the address, which may hold a password.
"""

from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from towpath._core.errors import SetupError
from towpath._layers.idempotency.memory_store import MemoryStore
from towpath._layers.idempotency.store import IdempotencyStore

REDIS_SCHEMES: Final = frozenset({"redis", "rediss"})
"""The schemes of a Redis server's address, without and with TLS."""

_SQLITE: Final = "sqlite:///"


@runtime_checkable
class OpenableStore(Protocol):
    """A store that has to be opened before it is used, and closed after."""

    async def open(self) -> None:
        """Connect. Raises SetupError, or an error of the driver."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


def store_of(setting: str, where: str) -> IdempotencyStore | None:
    """The store that `setting` names, not yet opened; None for "off". Raises SetupError that names the place `where` if it names none."""
    if setting == "off":
        return None
    if setting == "memory":
        return MemoryStore()
    if setting.startswith(_SQLITE) and len(setting) > len(_SQLITE):
        from towpath._stores.sqlite import SqliteStore  # noqa: PLC0415 # each store brings its driver

        return SqliteStore(Path(setting.removeprefix(_SQLITE)))
    scheme = setting.partition("://")[0]
    if scheme in {"postgresql", "postgres"}:
        from towpath._stores.postgres import PostgresStore  # noqa: PLC0415

        return PostgresStore(setting)
    if scheme in REDIS_SCHEMES:
        from towpath._stores.redis import RedisStore  # noqa: PLC0415

        return RedisStore(setting)
    kinds = '"off", "memory", "sqlite:///PATH", "postgresql://..." or "redis://..."'
    raise SetupError(f"{where}: does not name a store; give {kinds}")
