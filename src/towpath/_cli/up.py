"""`towpath up`: run a whole system on this machine until Ctrl-C, or until one of its services dies."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Log = Literal["text", "json"]


def up(
    system: Path = Path("system.toml"),
    /,
    *,
    metrics: Annotated[Path | None, Parameter(negative="")] = None,
    listen: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    watch: Annotated[bool, Parameter(negative="")] = False,
    log: Annotated[Log, Parameter(negative="")] = "text",
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Start every service of a system file and stop them together.

    Example: towpath up system.toml --listen gateway=127.0.0.1:8080

    Parameters
    ----------
    system
        The system file.
    metrics
        Folder in which each service leaves its metrics as NAME.prom when it stops.
    listen
        NAME=HOST:PORT: where the service NAME is to listen, whatever the file says. May be given for several.
    watch
        Start a service anew when one of its files changes, as towpath dev does, instead of ending with the first that dies.
    log
        How lines are printed: as text or as JSON, one object a line.
    json
        The same as --log json: each line an object with service and message, and the fields of the log if the service logged it.
    """
    # Each command loads only what it needs.
    from towpath._cli.dev import places
    from towpath._core.errors import SetupError

    log = "json" if json else log
    if watch and metrics is not None:
        raise SetupError("--metrics: does not go with --watch, whose services end at each change; leave one of them out")
    if watch:
        from towpath._cli.dev import dev

        return dev(system, listen=listen, log=log)
    if metrics is not None and not metrics.is_dir():
        raise SetupError(f"--metrics: {metrics} is not a folder; create it first")
    try:
        return asyncio.run(_up(system, metrics, places(listen), log))
    except BrokenPipeError:
        # The reader of the output has gone, so there is nowhere to report it. Without this Python's flush at exit would fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


async def _up(path: Path, metrics: Path | None, listen: dict[str, str], log: Log) -> int:
    from towpath._app.process.child_output import json_lines, prefixed
    from towpath._app.process.signals import stopping
    from towpath._app.settings.telemetry.logs import FORMAT_VARIABLE
    from towpath._app.system.supervisor import SELF, ServiceDied, System
    from towpath._app.system.system_file import load

    services = load(path).services
    names = [SELF, *services]
    emit = json_lines(sys.stdout) if log == "json" else prefixed(names, sys.stdout)
    env = {name: {FORMAT_VARIABLE: "json"} for name in services} if log == "json" else {}
    with stopping() as stop_request:
        try:
            async with System.start(path, emit=emit, metrics=metrics, listen=listen, env=env) as system:
                emit(SELF, f"{system.file.name} is up; Ctrl-C stops it")
                await system.wait()
        except asyncio.CancelledError:
            if not stop_request:
                raise
            emit(SELF, "stopped")
        except ServiceDied as died:
            sys.stderr.write(f"error: {died}\n")
            return 1
    return 0
