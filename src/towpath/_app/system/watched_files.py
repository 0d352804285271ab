"""Which files of a project have changed since the last look, by their times and sizes.

Looking again and again needs no package and works on every file system, shared folders of containers too. A project has some hundred files,
so a look takes a few milliseconds. What tools leave behind is not looked at.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_SUFFIXES: Final = (".py", ".proto", ".toml", ".sql", ".json", ".yaml", ".yml")
_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "build", "dist", "venv"})

_Seen = dict[Path, tuple[int, int]]


class WatchedFiles:
    """The files below some folders, and single files. The first look is taken when it is made."""

    def __init__(self, places: Iterable[Path]) -> None:
        self._places = sorted(set(places))
        self._seen = self._look()

    def changes(self) -> set[Path]:
        """The files that are new, gone or other than at the last look. Blocks for as long as the file system takes."""
        before, self._seen = self._seen, self._look()
        return {path for path in before.keys() | self._seen.keys() if before.get(path) != self._seen.get(path)}

    def _look(self) -> _Seen:
        seen: _Seen = {}
        for place in self._places:
            for path in _files(place):
                try:
                    about = path.stat()
                except OSError:  # an editor has just replaced it
                    continue
                seen[path] = (about.st_mtime_ns, about.st_size)
        return seen


def _files(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
        return
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        yield from (Path(folder, name) for name in names if name.endswith(_SUFFIXES) and not name.startswith("."))
