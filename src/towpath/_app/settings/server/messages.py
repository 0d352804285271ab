"""`[service.methods]` and `[targets.X.methods]` of the service file: how large the messages of single methods may be, and how they are
compressed.

    [service.methods."shop.v1.Catalog/Upload"]              # a method that is served here, or a service for all its methods
    message_limit = "32MiB"                                 # of a request; a number is bytes
    compression = "off"                                     # of responses; "off" for none

    [targets.catalog.methods."shop.v1.Catalog/Download"]    # a method that is called there
    message_limit = "32MiB"                                 # of a response
    compression = "gzip"                                    # of requests

What a table leaves out is what holds for all methods. A table for a service does not hold for a method that has a table of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from towpath._app.settings.method_names import find_method, methods_of_service
from towpath._app.settings.server.size import message_limit_of
from towpath._core.errors import SetupError
from towpath._core.service import MethodSpec
from towpath._transport.message_options import MessageOptions
from towpath._wire.compression import CompressionName


class MessageTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a method, as the file has it."""

    message_limit: int | str | None = None
    compression: CompressionName | Literal["off"] | None = None


@dataclass(frozen=True, kw_only=True)
class NamedMessageOptions:
    """The table of a method or a service, checked as far as can be done without contracts."""

    where: str
    """The file and the table, for messages."""
    methods: tuple[str, ...]
    """The methods and services that the options are for, as the file names them."""
    options: MessageOptions
    """The limit and the compression."""


def messages_of(tables: Mapping[str, MessageTable], where: str) -> tuple[NamedMessageOptions, ...]:
    """The tables below `where`. Raises SetupError that names file and field."""
    found: list[NamedMessageOptions] = []
    for name, table in tables.items():
        place = f"{where}.{name}"
        size = table.message_limit
        limit = None if size is None else message_limit_of(size, f"{place}.message_limit")
        options = MessageOptions(message_limit=limit, compression=table.compression)
        found.append(NamedMessageOptions(where=place, methods=(name,), options=options))
    return tuple(found)


def check_budget(entries: Iterable[NamedMessageOptions], budget: int) -> None:
    """Check that one message of each method fits into what the server keeps for all its connections. Raises SetupError."""
    for entry in entries:
        limit = entry.options.message_limit
        if limit is not None and limit > budget:
            raise SetupError(
                f"{entry.where}.message_limit: {limit} bytes are more than the {budget} that the server keeps of requests in part for all "
                "its connections; raise service.connections.max_buffered, or have the method stream its messages"
            )


def by_full_name(entries: Iterable[NamedMessageOptions], methods: Iterable[MethodSpec[Any, Any]]) -> dict[str, MessageOptions]:
    """The options of each of `methods` that has some, by its full name. Raises SetupError for a name that none of `methods` has, for an
    ambiguous name, and for two tables that name one method or one service."""
    specs = list(methods)
    of_service: dict[str, NamedMessageOptions] = {}
    of_method: dict[str, NamedMessageOptions] = {}
    for entry in entries:
        for name in entry.methods:
            try:
                is_method = "/" in name.removeprefix("/")
                named = [find_method(name, specs)] if is_method else methods_of_service(name, specs)
            except SetupError as error:
                raise SetupError(f"{entry.where}: {error}") from None
            for spec in named:
                other = (of_method if is_method else of_service).setdefault(spec.full_name, entry)
                if other is not entry:
                    raise SetupError(f"{entry.where}: {other.where} is for {spec.full_name} too; leave one of them out")
    return {name: entry.options for name, entry in {**of_service, **of_method}.items()}


def entry_for(method: MethodSpec[Any, Any], entries: Iterable[NamedMessageOptions]) -> NamedMessageOptions | None:
    """The entry that holds for `method`: one that names it, else one that names its service. Names may lack the first parts of the
    package."""
    for full in (method.full_name, method.service):
        for entry in entries:
            if any(name == full or full.endswith(f".{name}") for name in (named.removeprefix("/") for named in entry.methods)):
                return entry
    return None
