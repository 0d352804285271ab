"""What of a service file can change while calls are under way, and what needs another process.

Taken over: `[[methodConfig]]`, `[quotas]`, `[bulkheads]` and `service.admission`, for calls that begin from then on; what the layers have
learned stays. (Certificates are watched, and need no signal.) All else is bound to what a process is made of: its sockets, connections and
stores.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from towpath._app.settings.service_file import ServiceConfig
from towpath._core.errors import SetupError

TAKEN_OVER: Final = ("methods", "quotas", "bulkheads", "admission")
"""The fields of `ServiceConfig` that hold for the calls that begin from then on."""

NEEDS_RESTART: Final = {
    "name": "service.name",
    "listen": "service.listen",
    "admin": "service.admin",
    "settle": "service.settle",
    "grace": "service.grace",
    "reflection": "service.reflection",
    "openapi": "service.openapi",
    "message_limit": "service.message_limit",
    "idempotency": "service.idempotency",
    "quota_store": "service.quota_store",
    "insecure": "service.insecure",
    "workers": "service.workers",
    "tls": "service.tls",
    "client_tls": "tls",
    "targets": "targets",
}
"""The fields of `ServiceConfig` that only another process takes over, each with the name of its setting in the file."""


log = logging.getLogger("towpath.app")


def reread(running: ServiceConfig, read: Callable[[], ServiceConfig], take: Callable[[ServiceConfig], None]) -> None:
    """Have `take` take over what `read` reads, and say in the log what came of it. What is wrong changes nothing. `running` is what the
    process was started with."""
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
    """`running` with what of `read` can change under way."""
    return replace(running, **{name: getattr(read, name) for name in TAKEN_OVER})


def needs_restart(running: ServiceConfig, read: ServiceConfig) -> tuple[str, ...]:
    """The settings, as the file names them, that differ and stay as they are."""
    return tuple(setting for name, setting in NEEDS_RESTART.items() if getattr(running, name) != getattr(read, name))
