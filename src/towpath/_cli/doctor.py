"""`towpath doctor`: whether the service could start here. One line for each check; the checks are `towpath._cli.doctor_checks`."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from towpath._cli.doctor_checks import Check


def doctor(
    *,
    config: Annotated[Path | None, Parameter(negative="")] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Look whether the service could start here: one line for each check, and exit with status 1 if one has failed.

    Nothing is changed, and no table is made in a store. The exit status is 2 for a service file that cannot be read.

    Parameters
    ----------
    config
        The service file; without it, TOWPATH_CONFIG, else towpath.toml in this folder.
    as_json
        One JSON object a line, with status, check and text.
    """
    from towpath._app.settings.service_file import load
    from towpath._cli.config import environment
    from towpath._cli.doctor_checks import FAILED, looked_at

    settings = load(config, environment(config))
    found = asyncio.run(looked_at(settings))
    if as_json:
        print("\n".join(json.dumps(check._asdict(), ensure_ascii=False) for check in found))
    else:
        widest = max(len(check.check) for check in found)
        print("\n".join(line for check in found for line in _lines(check, widest)))
    return 1 if any(check.status == FAILED for check in found) else 0


def _lines(check: "Check", widest: int) -> list[str]:
    """One line, or as many as a terminal needs for the text."""
    from towpath._cli import screen
    from towpath._cli.doctor_checks import FAILED, NOTE
    from towpath._core.disclosure.printable import printable

    head, text = printable(f"{check.status:<4}  {check.check:<{widest}}  "), printable(check.text)
    columns = screen.width()
    if columns is None:
        return [head + text]
    code = {FAILED: screen.RED, NOTE: screen.YELLOW}.get(check.status, screen.GREEN)
    first, *others = screen.wrapped(text, max(columns - len(head), 20))
    status, _, rest = head.partition(" ")
    return [screen.painted(status, code, colour=screen.coloured()) + " " + rest + first, *(" " * len(head) + line for line in others)]
