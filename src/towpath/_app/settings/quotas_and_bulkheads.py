"""`[quotas]` and `[bulkheads]` of the service file: how many calls each tenant may make, and how many may be under way at once.

    [service]
    quota_store = "redis://cache:6379/0"     # calls are counted for all processes together; by default ("local") each counts by itself

    [quotas.search]                          # a name of your own, for messages
    methods = ["SearchService/SearchFlights", "skyline.fleet.v1.FleetService"]   # methods that are served here, or all of a service
    per_second = 50.0                        # calls of each of these methods, for each tenant
    burst = 100.0                            # how many of them at once; one second's worth without it
    shadow = true                            # let all calls pass, and count those that would be rejected; false without it

    [bulkheads.database]
    methods = ["FlightsService"]
    max_concurrent = 10                      # calls of all these methods together that may be under way
    shadow = true

An entry for a service does not hold for a method that has an entry of its own. A call that exceeds a quota or finds a bulkhead full is
rejected with RESOURCE_EXHAUSTED. See `towpath._layers.quota` and `towpath._layers.bulkhead`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

import msgspec

from towpath._app.settings.idempotency_store import REDIS_SCHEMES
from towpath._app.settings.method_names import UnknownName, find_method, methods_of_service
from towpath._core.errors import SetupError
from towpath._core.service import MethodSpec
from towpath._layers.bucket import Rate
from towpath._layers.bulkhead import Compartment
from towpath._layers.quota import Quota, RateStore

LOCAL: Final = "local"
"""The value of `quota_store` with which each process counts calls by itself."""


class QuotaTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of `[quotas]`, as the file has it."""

    methods: tuple[str, ...]
    """The methods that the quota is for, or services for all their methods. Each method counts by itself."""
    per_second: float
    burst: float | None = None
    """Calls at once after a pause. Without it one second's worth, at least one."""
    shadow: bool = False


class BulkheadTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of `[bulkheads]`, as the file has it."""

    RENAMED: ClassVar = {"most": "max_concurrent"}

    methods: tuple[str, ...]
    """The methods that share the bulkhead, or services for all their methods."""
    max_concurrent: int
    """Calls under way at once, of all these methods together."""
    shadow: bool = False


class _Named(Protocol):
    @property
    def where(self) -> str: ...

    @property
    def methods(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, kw_only=True)
class NamedQuota:
    """A table of `[quotas]`, checked as far as can be done without contracts."""

    where: str
    """The file and the table, for messages."""
    methods: tuple[str, ...]
    """The methods and services that the quota is for, as the file names them."""
    quota: Quota
    """The rate of each tenant."""


@dataclass(frozen=True, kw_only=True)
class NamedBulkhead:
    """A table of `[bulkheads]`, checked as far as can be done without contracts."""

    where: str
    """The file and the table, for messages."""
    methods: tuple[str, ...]
    """The methods and services that the bulkhead is for, as the file names them."""
    compartment: Compartment
    """The limit. Its group is the table's name."""


_Entry = TypeVar("_Entry", bound=_Named)


def quotas_of(tables: Mapping[str, QuotaTable], source: Path | None) -> tuple[NamedQuota, ...]:
    """The tables of `[quotas]` in the file `source`. Raises SetupError that names file and field."""
    found: list[NamedQuota] = []
    for name, table in tables.items():
        where = f"{source}: quotas.{name}"
        try:
            quota = Quota(rate=Rate(per_second=table.per_second, burst=table.burst), shadow=table.shadow)
        except ValueError as error:
            raise SetupError(f"{where}: {error}") from None
        found.append(NamedQuota(where=where, methods=_methods(table.methods, where), quota=quota))
    return tuple(found)


def bulkheads_of(tables: Mapping[str, BulkheadTable], source: Path | None) -> tuple[NamedBulkhead, ...]:
    """The tables of `[bulkheads]` in the file `source`. Raises SetupError that names file and field."""
    found: list[NamedBulkhead] = []
    for name, table in tables.items():
        where = f"{source}: bulkheads.{name}"
        try:
            compartment = Compartment(max_concurrent=table.max_concurrent, group=name, shadow=table.shadow)
        except ValueError as error:
            raise SetupError(f"{where}: {error}") from None
        found.append(NamedBulkhead(where=where, methods=_methods(table.methods, where), compartment=compartment))
    return tuple(found)


def _methods(methods: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not methods:
        raise SetupError(f'{where}.methods: is empty; name methods, such as "EchoService/Say", or services')
    return methods


def by_method(entries: Sequence[_Entry], methods: Iterable[MethodSpec[Any, Any]]) -> dict[str, _Entry]:
    """The entry that holds for each of `methods`, by the method's full name. Raises SetupError for a name that none of `methods` has, for
    an ambiguous name, and for two entries that both name one method, or both name its service."""
    specs = list(methods)
    found: dict[str, _Entry] = {}
    exact: set[str] = set()
    for by_service in (False, True):
        for entry in entries:
            for name in entry.methods:
                if ("/" in name.removeprefix("/")) is by_service:
                    continue
                for spec in _named(name, specs, entry.where):
                    other = found.setdefault(spec.full_name, entry)
                    if not by_service:
                        exact.add(spec.full_name)
                    if other is not entry and not (by_service and spec.full_name in exact):
                        raise SetupError(
                            f"{entry.where}.methods: {spec.full_name} is among those of {other.where}, too; leave it to one of them"
                        )
    return found


def _named(name: str, specs: Sequence[MethodSpec[Any, Any]], where: str) -> list[MethodSpec[Any, Any]]:
    try:
        return [find_method(name, specs)] if "/" in name.removeprefix("/") else methods_of_service(name, specs)
    except UnknownName as error:
        raise SetupError(f"{where}.methods: nothing that is served here is called {name!r}; {error.near}") from None
    except SetupError as error:
        raise SetupError(f"{where}.methods: {error}") from None


def rate_store_of(setting: str, where: str) -> RateStore | None:
    """The store that `service.quota_store` names, not yet opened; None for "local". Raises SetupError that names the place `where`. It does
    not show the address, which may hold a password."""
    if setting == LOCAL:
        return None
    if setting.partition("://")[0] in REDIS_SCHEMES:
        from towpath._stores.redis_rates import RedisRates  # noqa: PLC0415 # this store brings its driver

        return RedisRates(setting)
    raise SetupError(f'{where}: does not name a store; give "local" or "redis://..."')
