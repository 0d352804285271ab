"""Reloading the service file: which of its settings can change while calls are under way, and which need a restart.

`[[methodConfig]]`, `[quotas]`, `[bulkheads]` and `[service.admission]` are taken over, for calls that begin after the reload. So is
`[telemetry.logs]`, by the process (`towpath._app.process.process_log`). The layers
keep all that they have learned, except that other limits of `[service.admission]` begin to learn anew. Certificates are watched, and need
no reload. All other settings belong to the sockets, connections and stores of a process, and so need another process.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Final

from towpath._app.settings.service_file import ServiceConfig
from towpath._core.errors import SetupError

TAKEN_OVER: Final = ("methods", "quotas", "bulkheads", "admission", "admission_options")
"""The fields of `ServiceConfig` that hold for the calls that begin from then on."""

NEEDS_RESTART: Final = {
    "name": "service.name",
    "listen": "service.listen",
    "admin": "service.admin",
    "settle": "service.settle",
    "grace": "service.grace",
    "reflection": "service.reflection",
    "openapi": "service.openapi",
    "deprecation_warnings": "service.deprecation_warnings",
    "unknown_query": "service.unknown_query",
    "message_limit": "service.message_limit",
    "messages": "service.methods",
    "server.header_limit": "service.header_limit",
    "server.compression": "service.compression",
    "server.json_defaults": "service.json_defaults",
    "server.max_timeout": "service.max_timeout",
    "server.connections": "service.connections",
    "server.keepalive": "service.keepalive",
    "server.http1": "service.http1",
    "server.http2": "service.http2",
    "server.cors": "service.cors",
    "idempotency": "service.idempotency",
    "idempotency_memory": "service.idempotency_memory",
    "quota_store": "service.quota_store",
    "insecure": "service.insecure",
    "trust": "service.trust",
    "workers": "service.workers",
    "tls": "service.tls",
    "client_tls": "tls",
    "targets": "targets",
    "telemetry.recorder": "telemetry.recorder",
    "own": "settings",
}
"""The fields of `ServiceConfig` that only another process takes over, and fields of these, each with its setting's name in the file."""


log = logging.getLogger("towpath.app")


def reread(running: ServiceConfig, read: Callable[[], ServiceConfig], take: Callable[[ServiceConfig], None]) -> None:
    """Read the configuration with `read`, apply it with `take`, and log the result. A SetupError of either is logged, and nothing has
    changed then. `running` is the configuration that the process was started with."""
    try:
        config = read()
        take(config)
    except SetupError as error:
        log.error("nothing was taken over from the service file, and all goes on as it was: %s", error)  # noqa: TRY400 - a person can mend it
        return
    log.info("%s was read anew", config.source)
    left = needs_restart(running, config)
    if left:
        log.warning("of what differs, this needs a restart: %s", ", ".join(left))


def taken_over(running: ServiceConfig, read: ServiceConfig) -> ServiceConfig:
    """`running`, with the settings from `read` that can change while calls are under way."""
    return replace(running, **{name: getattr(read, name) for name in TAKEN_OVER})


def needs_restart(running: ServiceConfig, read: ServiceConfig) -> tuple[str, ...]:
    """The settings that differ and need a restart, as the file names them."""
    return tuple(setting for name, setting in NEEDS_RESTART.items() if attrgetter(name)(running) != attrgetter(name)(read))
