"""`service.idempotency` of the service file: the store in which a service keeps the answers to calls with an idempotency key.

    idempotency = "memory"                     # the default: in this process alone, and lost when it ends
    idempotency = "sqlite:///run/keys.db"      # a file, for the processes of one machine; three slashes, then the path
    idempotency = "postgresql://..."           # or "redis://...", for all processes of the service
    idempotency = "off"                        # idempotency keys have no effect

    idempotency_memory = 33554432              # bytes of the keys and answers in memory, of which one tenant of a caller gets a quarter

No message shows the address, which may hold a password.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from towpath._app.settings.option_tables import Number
from towpath._core.errors import SetupError
from towpath._core.service import Idempotency, MethodKind, MethodSpec
from towpath._layers.idempotency.memory_store import DEFAULT_MAX_BYTES, MIN_BYTES, MemoryStore
from towpath._layers.idempotency.store import IdempotencyStore

REDIS_SCHEMES: Final = frozenset({"redis", "rediss"})
"""The schemes of a Redis server's address, without and with TLS."""

MEMORY: Final = Number("max_bytes", MIN_BYTES, 1 << 40, "bytes")
"""The range of `idempotency_memory`."""

_SQLITE: Final = "sqlite:///"
_SHARED: Final = '"sqlite:///PATH", "postgresql://..." or "redis://..."'

log = logging.getLogger("towpath.app")


@runtime_checkable
class OpenableStore(Protocol):
    """A store that has to be opened before it is used, and closed after."""

    async def open(self) -> None:
        """Connect. Raises SetupError, or an error of the driver."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


def store_of(setting: str, where: str, memory: int = DEFAULT_MAX_BYTES) -> IdempotencyStore | None:
    """The store that `setting` names, not yet opened; None for "off". A store in memory holds up to `memory` bytes. Raises SetupError that
    names the place `where` if `setting` names no store."""
    if setting == "off":
        return None
    if setting == "memory":
        return MemoryStore(max_bytes=memory)
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


def memory_of(setting: int, where: str) -> int:
    """The bytes of the setting `where`. Raises SetupError for a number out of its range."""
    return int(MEMORY.read(setting, where))


def check_keys(store: IdempotencyStore | None, methods: Sequence[MethodSpec[Any, Any]], where: str, *, workers: int, tells: bool) -> None:
    """Check that answers of the `methods`, which this process serves itself and does not forward, are kept where a repeated call finds
    them. Raises SetupError if a contract declares `idempotency_key` and no answers are kept, or if each of several `workers` keeps its own.
    Without such a declaration callers may send keys all the same; so for several workers this is logged if `tells` is set."""
    promised = next((method for method in methods if method.idempotency_key is not None), None)
    if store is None:
        if promised is not None:
            raise SetupError(
                f'{where}: is "off", and the contract of {promised.full_name} declares idempotency_key: a repeated call would have its '
                f"effect again; give {_SHARED}"
            )
        return
    if workers == 1 or not isinstance(store, MemoryStore):
        return
    if promised is not None:
        raise SetupError(
            f'{where}: is "memory", which each of the {workers} workers has for itself, and the contract of {promised.full_name} declares '
            f"idempotency_key: a call that is repeated at another worker would have its effect again; give {_SHARED}"
        )
    effects = [method for method in methods if method.kind is MethodKind.UNARY and method.idempotency is Idempotency.UNKNOWN]
    if tells and effects:
        log.warning(
            '%s is "memory", which each of the %d workers has for itself: a call of %s with an idempotency key that is repeated at another '
            'worker has its effect again. Give %s, or "off" if no caller sends keys',
            where,
            workers,
            effects[0].full_name,
            _SHARED,
        )
