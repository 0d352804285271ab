"""Skyline, the labs and the bench prove that towpath's public names suffice: they import nothing private."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked, written_by_hand


def private_imports(root: Path, paths: Iterable[str]) -> list[str]:
    return [
        f"{path}:{node.lineno} imports {name}, which is private to towpath"
        for path in paths
        for node in ast.walk(ast.parse((root / path).read_text()))
        for name in imported(node)
        if name.split(".")[0] == "towpath" and any(part.startswith("_") for part in name.split("."))
    ]


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def test_what_stands_beside_towpath_uses_public_names_only() -> None:
    assert private_imports(ROOT, written_by_hand(tracked(), under=("reference/", "labs/", "bench/"))) == []


@pytest.mark.parametrize("line", ["import towpath._gen.x", "from towpath._gen import x", "from towpath._core.service import _Secret"])
def test_a_private_import_is_found(tmp_path: Path, line: str) -> None:
    assert len(private_imports(tmp_path, plant(tmp_path, {"m.py": f"from towpath import App\nfrom skyline._x import y\n{line}\n"}))) == 1
