"""`.towpath/template.json` of a project: the template that it was made from, the answers, and each file as the template made it.

The files are what a three-way merge needs as its base. With them an upgrade needs neither an older towpath nor a network, and works for
templates that a team keeps for itself. They are lines in JSON, so that no tool takes them for the project's code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

from towpath._core.errors import SetupError
from towpath._scaffold.answers import Answers, from_record
from towpath._scaffold.template import Kind

PLACE: Final = PurePosixPath(".towpath/template.json")
"""Where a project has its record."""

_LOST: Final = "take the file from the repository's history, since an upgrade needs it as it was"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of how a project was made."""

    kind: Kind
    version: int
    answers: Answers
    files: Mapping[PurePosixPath, str]
    """The files as the template made them."""

    def text(self) -> str:
        """The content of the file."""
        files = {str(path): text.split("\n") for path, text in sorted(self.files.items())}
        whole = {"template": self.kind, "version": self.version, "answers": self.answers.record(), "files": files}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def read_record(folder: Path) -> Record:
    """The record of the project in `folder`. Raises SetupError if there is none, or if it is damaged."""
    path = folder / PLACE
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SetupError(
            f"{folder} was not made by towpath new: it has no {PLACE}; run this in the folder of a service or system"
        ) from error
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}; {_LOST}") from error
    if not isinstance(found, dict):
        raise SetupError(f"{path}: holds no table; {_LOST}")
    return _record(cast("dict[str, Any]", found), path)


def _record(found: dict[str, Any], path: Path) -> Record:
    kind, version, files = found.get("template"), found.get("version"), found.get("files")
    if kind not in ("service", "system") or not isinstance(version, int) or not isinstance(files, dict):
        raise SetupError(f"{path}: lacks template, version or files; {_LOST}")
    texts: dict[PurePosixPath, str] = {}
    for name, lines in cast("dict[str, Any]", files).items():
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise SetupError(f"{path}: files: {name!r} leads out of the project; {_LOST}")
        try:
            texts[place] = "\n".join(lines)
        except TypeError:
            raise SetupError(f"{path}: files: {name!r} holds no lines; {_LOST}") from None
    return Record(kind=kind, version=version, answers=from_record(found.get("answers"), str(path)), files=texts)
