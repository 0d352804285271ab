"""Packages have content, their `__init__.py` only exports, and no module is named for nothing in particular."""

import ast
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest

from tests.architecture.repository import ROOT, plant, tracked, written_by_hand

NAMELESS = frozenset({"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"})


def more_than_exports(root: Path, paths: Iterable[str]) -> list[str]:
    """Statements of an `__init__.py` that are neither docstring, import, `__all__` nor an export on first use (PEP 562)."""
    return [
        f"{path}:{node.lineno} does more than export; move it to a module named for it"
        for path in paths
        if PurePosixPath(path).name == "__init__.py"
        for node in ast.parse((root / path).read_text()).body
        if not (is_text(node) or is_import(node) or is_export_list(node) or is_export_on_use(node))
    ]


def empty_packages(root: Path, paths: Iterable[str]) -> list[str]:
    """Packages in which no module, at any depth, defines anything; and modules that hold nothing but a docstring."""
    findings: list[str] = []
    packages: dict[PurePosixPath, bool] = {}
    for path in map(PurePosixPath, paths):
        body = [node for node in ast.parse((root / path).read_text()).body if not is_text(node)]
        initial = path.name == "__init__.py"
        if not body and not initial:
            findings.append(f"{path} is empty: a module comes with the first thing it holds")
        defines = bool(body) and not initial
        for package in (path.parent, *path.parent.parents):
            if (root / package / "__init__.py").exists():
                packages[package] = packages.get(package, False) or defines
    findings += [f"{package}/ is empty: a package comes with the first module it holds" for package, full in packages.items() if not full]
    return findings


def nameless(paths: Iterable[str]) -> list[str]:
    """Modules and packages whose name says nothing of what is inside."""
    return [
        f"{path}: `{part}` names no concept; name it for what it holds"
        for path in map(PurePosixPath, paths)
        for part in (*path.parent.parts, path.stem)
        if part.lstrip("_") in NAMELESS
    ]


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_export_list(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]


def is_import(node: ast.stmt) -> bool:
    """An import, also one for type checkers only."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return all(map(is_import, node.body + node.orelse))
    return isinstance(node, ast.Import | ast.ImportFrom)


def is_export_on_use(node: ast.stmt) -> bool:
    """A module's `__getattr__`, also one that is hidden from type checkers, its `__dir__`, or the private table of literals that tells them
    where names are."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "not TYPE_CHECKING":
        return all(map(is_export_on_use, node.body + node.orelse))
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Dict):
        return node.target.id.startswith("_") and all(isinstance(value, ast.Constant) for value in node.value.values)
    return isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__dir__")


def test_init_files_only_export() -> None:
    assert more_than_exports(ROOT, written_by_hand(tracked())) == []


def test_no_package_is_empty() -> None:
    paths = [path for path in tracked() if path.startswith(("src/", "reference/", "bench/", "labs/")) and path.endswith(".py")]
    assert empty_packages(ROOT, paths) == []


def test_modules_are_named_for_a_concept() -> None:
    assert nameless(written_by_hand(tracked(), under=("src/", "reference/", "bench/", "labs/", "tools/", "tests/"))) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('"""What this is."""\n\nfrom p.x import X\n\n__all__ = ["X"]\n', []),
        ("", []),
        ("if TYPE_CHECKING:\n    from p.x import X\n\ndef __getattr__(name):\n    from p.x import X\n    return X\n", []),
        ('_LATER: dict[str, str] = {"X": "p.x"}\n', []),
        ("_LATER: dict[str, X] = {'X': X()}\n", ["p/__init__.py:1 does more than export; move it to a module named for it"]),
        ("if TYPE_CHECKING:\n    X = 1\n", ["p/__init__.py:1 does more than export; move it to a module named for it"]),
        ("def f():\n    return 1\n", ["p/__init__.py:1 does more than export; move it to a module named for it"]),
        ("import x\n\nx.start()\n", ["p/__init__.py:3 does more than export; move it to a module named for it"]),
        ("VERSION = 1\n", ["p/__init__.py:1 does more than export; move it to a module named for it"]),
    ],
)
def test_an_init_file_that_acts_is_found(tmp_path: Path, text: str, finding: list[str]) -> None:
    assert more_than_exports(tmp_path, plant(tmp_path, {"p/__init__.py": text})) == finding


@pytest.mark.parametrize(
    ("files", "finding"),
    [
        ({"p/__init__.py": '"""Full."""', "p/x.py": "X = 1\n"}, []),
        ({"p/__init__.py": '"""Full, one down."""', "p/q/__init__.py": "", "p/q/x.py": "X = 1\n"}, []),
        ({"p/__init__.py": '"""To come."""'}, ["p/ is empty: a package comes with the first module it holds"]),
        (
            {"p/__init__.py": "", "p/x.py": "X = 1\n", "p/q/__init__.py": "from p.x import X\n"},
            ["p/q/ is empty: a package comes with the first module it holds"],
        ),
        (
            {"p/__init__.py": "", "p/x.py": "X = 1\n", "p/y.py": '"""To come."""'},
            ["p/y.py is empty: a module comes with the first thing it holds"],
        ),
    ],
)
def test_an_empty_room_is_found(tmp_path: Path, files: dict[str, str], finding: list[str]) -> None:
    assert empty_packages(tmp_path, plant(tmp_path, files)) == finding


@pytest.mark.parametrize("path", ["src/p/utils.py", "src/p/_common.py", "src/helpers/x.py", "src/p/manager.py"])
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    assert len(nameless([path, "src/p/retry.py"])) == 1
