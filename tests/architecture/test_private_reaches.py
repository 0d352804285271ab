"""Tests drive a part by what it promises. Each look behind its wall is counted, and the count can only fall.

A reach is an attribute with a leading underscore on anything but `self`, `cls` and `super()`, the `__self__` of a bound method, or the
import of a name with a leading underscore. A suite that needs many shows that a part has no seam to be driven from.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked, written_by_hand

RECORDED = 3
"""The reaches of all tests together. Lower it when it falls; above it, give the part a seam instead."""

PUBLIC = frozenset({"_asdict", "_fields", "_make", "_replace", "_exit"})
"""Documented names of the standard library that happen to have an underscore."""


def reaches(root: Path, paths: Iterable[str]) -> dict[str, int]:
    """The number of reaches of each file that has any."""
    counts = {path: sum(map(is_reach, ast.walk(ast.parse((root / path).read_text())))) for path in paths}
    return {path: count for path, count in counts.items() if count}


def is_reach(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(is_private(name.name) for name in node.names)
    if not isinstance(node, ast.Attribute) or ast.unparse(node.value) in {"self", "cls", "super()"}:
        return False
    return node.attr == "__self__" or is_private(node.attr)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def judged(counts: dict[str, int], recorded: int = RECORDED) -> str:
    """Empty if the count is as recorded, else what to do."""
    total = sum(counts.values())
    if total == recorded:
        return ""
    if total < recorded:
        return f"tests reach behind walls {total} times now: lower RECORDED of tests/architecture/test_private_reaches.py to that"
    worst = ", ".join(f"{path} {count}" for path, count in sorted(counts.items(), key=lambda item: -item[1])[:5])
    return f"tests reach behind walls {total} times, {recorded} is the maximum: give the part a seam; the most are in {worst}"


def test_tests_reach_behind_no_further_wall() -> None:
    paths = written_by_hand(tracked(), under=("tests/", "reference/"))
    assert judged(reaches(ROOT, [path for path in paths if "tests/" in path])) == ""


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x._y", 1),
        ("x._y._z", 2),
        ("x.f().__self__", 1),
        ("x._y = 1", 1),
        ("from p import _x", 1),
        ("from p import _x as y, z", 1),
        ("from p._q import x", 0),
        ("self._x", 0),
        ("cls._x", 0),
        ("super()._x()", 0),
        ("self._x._y", 1),
        ("x.__class__", 0),
        ("x._replace(y=1)", 0),
        ("x.y", 0),
    ],
)
def test_a_reach_is_counted(tmp_path: Path, text: str, count: int) -> None:
    assert sum(reaches(tmp_path, plant(tmp_path, {"test_x.py": text + "\n"})).values()) == count


@pytest.mark.parametrize(
    ("total", "said"),
    [(3, ""), (2, "tests reach behind walls 2 times now: lower"), (4, "tests reach behind walls 4 times, 3 is the maximum")],
)
def test_the_count_can_only_fall(total: int, said: str) -> None:
    assert judged({"tests/test_x.py": total}, 3).startswith(said)
    assert bool(judged({"tests/test_x.py": total}, 3)) == bool(said)
