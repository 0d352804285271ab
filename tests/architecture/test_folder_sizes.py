"""A folder is read at a glance: at most 16 modules, `__init__.py` aside. What grows beyond gets rooms."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import pytest

from tests.architecture.ratchet import departures
from tests.architecture.repository import tracked, written_by_hand

MAX_MODULES = 16

CROWDED: Mapping[str, int] = {}
"""Folders above `MAX_MODULES`, with the modules of each."""


def crowded(paths: Iterable[str], recorded: Mapping[str, int] = CROWDED) -> list[str]:
    sizes = Counter(str(path.parent) for path in map(PurePosixPath, paths) if path.name != "__init__.py")
    return departures(sizes, MAX_MODULES, recorded, "modules")


def test_folders_are_small() -> None:
    assert crowded(path for path in written_by_hand(tracked()) if "/tests/" not in path) == []


@pytest.mark.parametrize(
    ("count", "recorded", "findings"),
    [
        (16, {}, []),
        (17, {}, ["src/p has 17 modules, 16 is the maximum: split it by concept"]),
        (17, {"src/p": 17}, []),
        (17, {"src/p": 18}, ["src/p has 17 modules now: lower its record of 18"]),
        (16, {"src/p": 17}, ["src/p needs no exception any more: delete its record"]),
        (0, {"src/p": 17}, ["src/p needs no exception any more: delete its record"]),
    ],
)
def test_a_crowded_folder_is_found(count: int, recorded: dict[str, int], findings: list[str]) -> None:
    paths = ["src/p/__init__.py", "src/p/q/x.py", *(f"src/p/m{number}.py" for number in range(count))]
    assert crowded(paths, recorded) == findings
