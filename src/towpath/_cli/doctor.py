"""`towpath doctor`: whether the service could start here. One line for each check; the checks are `towpath._cli.doctor_checks`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


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
    from towpath._core.disclosure.printable import printable

    settings = load(config, environment(config))
    found = asyncio.run(looked_at(settings))
    if as_json:
        print("\n".join(json.dumps(check._asdict(), ensure_ascii=False) for check in found))
    else:
        width = max(len(check.check) for check in found)
        print("\n".join(printable(f"{check.status:<4}  {check.check:<{width}}  {check.text}") for check in found))
    return 1 if any(check.status == FAILED for check in found) else 0
