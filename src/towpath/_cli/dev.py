"""`towpath dev`: the inner loop. Serves a service or a system, and starts anew what a change of a file concerns."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._app.process.child_output import Emit
    from towpath._app.system.system_file import SystemFile

Log = Literal["auto", "text", "json"]


def dev(
    file: Path | None = None,
    /,
    *,
    only: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    listen: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    module: str = "",
    log: Annotated[Log, Parameter(negative="")] = "auto",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Serve while you work: compile contracts as they are saved, and start anew each service that a change concerns.

    Example: towpath dev

    Example: towpath dev system.toml --only catalogue --only cart

    Parameters
    ----------
    file
        A system file or a service file; without it system.toml, else towpath.toml, in this folder.
    only
        Start this service alone; may be given for several.
    listen
        NAME=HOST:PORT: where the service NAME is to listen, whatever its file says. May be given for several.
    module
        With a service file: what to run, as by python -m; without it the one package of src that has a __main__.
    log
        How lines are printed: as text or as JSON, one object a line; auto prints text on a terminal and JSON elsewhere.
    json
        The same as --log json: each line an object with service and message, and time, level and logger if the service logged it.
    """
    log = "json" if json else log
    try:
        system = _system(file, module).listening(places(listen), "--listen")
        return asyncio.run(_dev(system.only(only, "--only") if only else system, log))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's flush at exit would fail, too
        return 1


def _system(file: Path | None, module: str) -> "SystemFile":
    from towpath._app.settings import toml
    from towpath._app.system.single_service import of_service
    from towpath._app.system.system_file import load
    from towpath._core.errors import SetupError

    if file is None:
        file = next((path for path in (Path("system.toml"), Path("towpath.toml")) if path.is_file()), None)
    if file is None:
        raise SetupError("there is neither system.toml nor towpath.toml in this folder; go to a service's folder, or name its file")
    if not toml.has_table(file, "services"):
        return of_service(file, module or None)
    if module:
        raise SetupError(f"--module: {file} is a system file, which names the modules itself; leave the option out")
    return load(file)


async def _dev(system: "SystemFile", log: Log) -> int:
    from towpath._app.process.signals import stopping
    from towpath._app.system.development import Development
    from towpath._app.system.supervisor import SELF

    emit = emitter([SELF, *system.services], log)
    with stopping() as stop_request:
        try:
            await Development(system, emit, log_format="json" if _as_json(log) else "console").run()
        except asyncio.CancelledError:
            if not stop_request:
                raise
            emit(SELF, "stopped")
    return 0


def emitter(names: list[str], log: Log) -> "Emit":
    """What prints the lines of the services `names` to standard output, as `log` says."""
    from towpath._app.process.child_output import json_lines, prefixed

    return json_lines(sys.stdout) if _as_json(log) else prefixed(names, sys.stdout)


def _as_json(log: Log) -> bool:
    return log == "json" or (log == "auto" and not sys.stdout.isatty())


def places(given: tuple[str, ...]) -> dict[str, str]:
    """The addresses of `--listen`, by service, as `towpath up` takes them too. Raises SetupError for a text without a name."""
    from towpath._core.errors import SetupError

    places: dict[str, str] = {}
    for text in given:
        name, equals, address = text.partition("=")
        if not equals:
            raise SetupError(f"--listen: {text!r} names no service; write NAME=HOST:PORT")
        places[name] = address
    return places
