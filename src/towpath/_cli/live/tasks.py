"""`towpath tasks`: what the tasks of a running service wait for."""

import sys
from typing import Annotated

from cyclopts import Parameter


def tasks(target: str = "", /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print the tree of waiting tasks of a running service, and any deadlock.

    Example: towpath tasks cart

    Parameters
    ----------
    target
        The name of the service or the number of its process, if it runs here; or the address of its admin listener (HOST:PORT or
        unix:PATH), or its service file. Without it, the one service of this user that runs here.
    json
        Print the tree as JSON.
    """
    from json import dumps, loads

    from towpath._cli import screen
    from towpath._cli.live.admin_listener import asked, listener_of
    from towpath._telemetry.tasks.task_text import task_lines

    text = asked(listener_of(target), "/debug/tasks")
    told = loads(text)
    if json:
        sys.stdout.write(f"{dumps(told, indent=2)}\n")
        return 0
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    trees = told["workers"].items() if "workers" in told else [("", told)]
    for worker, tree in trees:
        if worker:
            sys.stdout.write(f"worker {worker}:{' it does not answer' if tree is None else ''}\n")
        if tree is not None:
            sys.stdout.writelines(f"{line}\n" for line in task_lines(tree, screen.width() or 80, unicode=unicode))
    return 0
