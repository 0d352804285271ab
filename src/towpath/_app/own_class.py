"""The class of a service's own settings as the service file names it, for commands that run without the service's program."""

import importlib
from typing import Any, cast

from towpath._app.methods import find_project
from towpath._app.settings.service_file import DEFAULT_FILE, ServiceConfig
from towpath._core.errors import SetupError


def own_class(config: ServiceConfig) -> type[Any] | None:
    """The class that `service.settings` names as `module:Class`; None if it names none. Raises SetupError that names the file if there is
    no such class."""
    if not config.own_class:
        return None
    where = f"{config.source or DEFAULT_FILE}: service.settings"
    module, colon, name = config.own_class.partition(":")
    if not (module and colon and name):
        raise SetupError(f"{where}: {config.own_class!r} names no class; write module:Class, such as shop.settings:ShopSettings")
    find_project(config.source)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise SetupError(f"{where}: {module} cannot be imported: {error}; is its package installed?") from error
    if not isinstance(found, type):
        raise SetupError(f"{where}: {module} has no class {name}; check the name")
    return cast("type[Any]", found)
