"""ARCHITECTURE.md is a map: what it names exists, and every room of the package is on it."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pytest

from tests.architecture.repository import ROOT, tracked

PACKAGE = "src/towpath"
_PATH = re.compile(r"`((?:\w+/)+(?:\w+\.\w+)?|\w+\.py)`")
"""What looks like a folder or a file between backticks: `layers/`, `layers/retry.py`."""


def astray(text: str, paths: Iterable[str]) -> list[str]:
    """Paths of the map that lead nowhere, and rooms that it leaves out."""
    files = {PurePosixPath(path) for path in paths}
    known = files | {folder for path in files for folder in path.parents}
    named = {PurePosixPath(path) for path in _PATH.findall(text)}
    findings = [
        f"ARCHITECTURE.md names {path}, which does not exist"
        for path in sorted(named)
        if path.name != "__init__.py" and path not in known and PACKAGE / path not in known
    ]
    rooms = {path.parent.relative_to(PACKAGE) for path in files if path.is_relative_to(PACKAGE) and path.name == "__init__.py"}
    rooms -= {room for room in rooms if (room.is_relative_to("_gen") and room.name != "_gen") or room.is_relative_to("_admin/gen")}
    return findings + [f"ARCHITECTURE.md leaves out {room}/" for room in sorted(rooms - named) if room.name]


def test_the_map_is_true() -> None:
    assert astray((ROOT / "ARCHITECTURE.md").read_text(), tracked()) == []


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("`a/` `a/b/` has `a/b/x.py`, see `docs/x.md`", []),
        ("`a/` `a/b/` has `a/b/y.py`", ["ARCHITECTURE.md names a/b/y.py, which does not exist"]),
        ("`a/` `a/b/` has `y.py`", ["ARCHITECTURE.md names y.py, which does not exist"]),
        ("`a/` `a/b/` `c/`", ["ARCHITECTURE.md names c, which does not exist"]),
        ("`a/` has `a/b/x.py`", ["ARCHITECTURE.md leaves out a/b/"]),
    ],
)
def test_a_wrong_turn_is_found(text: str, findings: list[str]) -> None:
    paths = [f"{PACKAGE}/__init__.py", f"{PACKAGE}/a/__init__.py", f"{PACKAGE}/a/b/__init__.py", f"{PACKAGE}/a/b/x.py", "docs/x.md"]
    assert astray(text, paths) == findings
