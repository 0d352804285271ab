"""`towpath blocks`: what kept the event loop of a running service from turning."""

import sys
from collections.abc import Iterable
from typing import Annotated, Any, cast

from cyclopts import Parameter


def blocks(target: str = "", /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print what kept the event loop of a running service from turning.

    Example: towpath blocks 127.0.0.1:9090

    Parameters
    ----------
    target
        The name of the service or the number of its process, if it runs here; or the address of its admin listener (HOST:PORT or
        unix:PATH), or its service file. By the number of the process its file of blocks is read, also while its loop is blocked and cannot
        answer. Without it, the one service of this user that runs here.
    json
        Print them as JSON.
    """
    from towpath._cli.live.admin_listener import asked, listener_of

    text = _of_process(int(target)) if target.isdecimal() else asked(listener_of(target), "/debug/blocks")
    if json:
        sys.stdout.write(f"{text}\n")
        return 0
    _print(text)
    return 0


def _of_process(process: int) -> str:
    from towpath._app.process.inspection.loop_watch import block_file
    from towpath._core.errors import SetupError

    file = block_file(None, process)
    try:
        if file is not None:
            return file.read_text()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}") from error
    raise SetupError(
        f"process {process} has no file of blocks: its loop was never blocked, or it is no process of towpath.run of this user"
    )


def _print(text: str) -> None:
    from json import loads

    from towpath._cli.traces.waterfall import time_of_day
    from towpath._core.disclosure.printable import printable
    from towpath._telemetry.loop_monitor.block import block_of
    from towpath._telemetry.loop_monitor.block_report import sentence

    told: Any = loads(text)
    workers: Iterable[tuple[str, Any]] = cast("dict[str, Any]", told)["workers"].items() if isinstance(told, dict) else [("", told)]
    for worker, found in workers:
        name = f"worker {worker}: " if worker else ""
        if not found:
            sys.stdout.write(f"{name}{'it does not answer' if found is None else 'the event loop was never blocked'}\n")
        for block in map(block_of, found or ()):
            sys.stdout.write(f"{time_of_day(block.began)} {name}{sentence(block)}\n")
            sys.stdout.writelines(f"    {printable(str(frame))}  {printable(frame.source)}\n" for frame in block.stack[:8])
