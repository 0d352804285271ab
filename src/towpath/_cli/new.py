"""`towpath new`: a service, or a system of several, from towpath's template or from one of the team's own."""

import json
import shlex
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._scaffold.project import Made


def new(
    name: str,
    services: Annotated[list[str] | None, Parameter(negative="")] = None,
    /,
    *,
    system: Annotated[bool, Parameter(negative="")] = False,
    into: Annotated[Path, Parameter(negative="")] = Path(),
    description: str = "",
    port: int = 8080,
    python: str = "3.11",
    template: Annotated[Path | None, Parameter(negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Make a new service, or a system of several, whose checks and tests pass as made.

    Example: towpath new order-book --port 8081

    Example: towpath new --system shop catalogue cart checkout

    Parameters
    ----------
    name
        Lower-case words with '-' between them. The new folder has this name.
    services
        With --system: the names of its services.
    system
        Make a folder with several services and a system.toml that starts them together.
    into
        The folder in which the new one is made; this one without it.
    description
        One sentence about the service, for its README and contract.
    port
        The port of 127.0.0.1 at which it listens; the services of a system count up from it.
    python
        The oldest Python that it runs on: 3.11 to 3.14.
    template
        A folder with a template of your own, in folders service and system, instead of towpath's.
    json
        Print one JSON object: folder, files (how many), repository (whether it is a git repository of its own), services (each with name,
        folder and port), and next (commands to try, in order).
    """
    # Each command loads only what it needs.
    from towpath._core.errors import SetupError
    from towpath._scaffold.answers import checked
    from towpath._scaffold.project import make_service, make_system

    if services and not system:
        raise SetupError(f"{' '.join(services)}: only a system has several services; add --system, or leave all but one name out")
    if system and not services:
        raise SetupError(f"--system: name its services too, such as: towpath new --system {name} catalogue cart")
    answers = checked(name, description=description, port=port, python=python)
    with _ended_in_order():
        made = make_system(answers, services or (), into, template=template) if system else make_service(answers, into, template=template)
    if json:
        _tell_as_json(made, [name] if not system else services or [], port, system=system)
        return 0
    print(f"made {made.folder}, {made.files} files{', a git repository of its own' if made.repository else ''}\n")
    for command, comment in _next(made.folder, system=system):
        print(f"  {command:<13} # {comment}" if comment else f"  {command}")
    return 0


def _tell_as_json(made: "Made", services: list[str], port: int, *, system: bool) -> None:
    places = {name: made.folder / name if system else made.folder for name in services}
    listed = [{"name": name, "folder": str(place), "port": port + index} for index, (name, place) in enumerate(places.items())]
    told = {"folder": str(made.folder), "files": made.files, "repository": made.repository, "services": listed}
    print(json.dumps({**told, "next": [command for command, _ in _next(made.folder, system=system)]}))


def _next(folder: Path, *, system: bool) -> list[tuple[str, str]]:
    """The commands to try, with what they do."""
    return [
        (f"cd {shlex.quote(str(folder))}", ""),
        ("make smoke", f"serves, calls {'each service' if system else 'it'} once, and stops"),
        ("make dev", "serves, and starts anew after each change"),
        *([] if system else [("make call", "in another terminal: calls it")]),
        ("make check test", ""),
    ]


@contextmanager
def _ended_in_order() -> Generator[None]:
    """Let SIGTERM unwind the stack, so that nothing half-made is left behind."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
