"""The system file of a project with several services: each service of a template gets its table there."""

import tomllib
from collections.abc import Sequence

from towpath._core.errors import SetupError
from towpath._scaffold.answers import Answers


def with_services(text: str, members: Sequence[Answers], where: str) -> str:
    """The system file `text` with a table for each of `members`. Raises SetupError that names `where` if one is there already."""
    try:
        known = tomllib.loads(text).get("services", {})
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{where} is no TOML: {error}; mend it first") from error
    for member in members:
        if member.name in known:
            raise SetupError(f"{where}: services.{member.name}: is there already; choose another name")
        text = f"{text.rstrip()}\n\n{_table(member)}"
    return text


def _table(member: Answers) -> str:
    return (
        f"[services.{member.name}]\n"
        f'module = "{member.package}"\n'
        f'path = "{member.name}/src"\n'
        f'config = "{member.name}/towpath.toml"\n'
        f'listen = "127.0.0.1:{member.port}"\n'
        f"calls = []\n"
    )
