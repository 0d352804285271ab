"""A template: a folder with a number, `template.toml`, and one file for each file of the project.

Each file ends in `.tmpl`, so that no tool takes it for code. `@@word@@`, in its text and in its path, is replaced by an answer, and nothing
else is: no condition and no loop, so that the template reads like what it makes. `dot_x` in a path becomes `.x`.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from towpath._core.errors import SetupError

Kind = Literal["service", "system"]

_WORD: Final = re.compile(r"@@(\w+)@@")
_SUFFIX: Final = ".tmpl"
_DOT: Final = "dot_"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template as it was read."""

    kind: Kind
    version: int
    files: Mapping[str, str]
    """The text of each file, by its path in the template, without `.tmpl`."""

    def rendered(self, words: Mapping[str, str]) -> dict[PurePosixPath, str]:
        """The files of a project, by path. Raises SetupError that names the file for a word that no answer has."""
        return {_place(_filled(path, words, path)): _filled(text, words, path) for path, text in self.files.items()}


def read_template(kind: Kind, root: Path | None = None) -> Template:
    """The template `kind`, of towpath itself, or of the folder `root`, which has a folder for each kind. Raises SetupError for a folder
    that is no template."""
    folder = (Path(__file__).parent / "templates" if root is None else root) / kind
    about = folder / "template.toml"
    try:
        version = tomllib.loads(about.read_text("utf-8")).get("version")
        files = {
            path.relative_to(folder).as_posix().removesuffix(_SUFFIX): path.read_text("utf-8")
            for path in sorted(folder.rglob(f"*{_SUFFIX}"))
            if path.is_file()
        }
    except FileNotFoundError as error:
        raise SetupError(
            f"{folder} is no template, since it has no {about.name}; give the folder that holds service/ and system/"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(f"the template in {folder} cannot be read: {error}; mend it, or give another --template") from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SetupError(f"{about}: version: give the template's number, 1 or more")
    if not files:
        raise SetupError(f"{folder} has no file that ends in {_SUFFIX}; a template has one for each file of the project")
    return Template(kind=kind, version=version, files=files)


def _filled(text: str, words: Mapping[str, str], path: str) -> str:
    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise SetupError(f"the template's {path} names @@{found[1]}@@, which no answer has; there are {', '.join(words)}")
        return words[found[1]]

    return _WORD.sub(word, text)


def _place(path: str) -> PurePosixPath:
    parts = (f".{part.removeprefix(_DOT)}" if part.startswith(_DOT) else part for part in PurePosixPath(path).parts)
    return PurePosixPath(*parts)
