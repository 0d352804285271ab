"""A public name comes and goes on purpose: a change of the snapshot is read in review as a change of the API."""

import ast
from pathlib import Path

import pytest

from tests.architecture.public_names import AUDIENCES, MAX_NAMES, SNAPSHOT, grouped, listed, public_names
from tests.architecture.repository import ROOT, plant, tracked


def difference(snapshot: list[str], today: list[str]) -> str:
    """What changed, and what to do about it; empty if nothing did."""
    gone = [f"  - {name}" for name in sorted(set(snapshot) - set(today))]
    new = [f"  + {name}" for name in sorted(set(today) - set(snapshot))]
    if not gone and not new:
        return ""
    advice = "Names that went break users: keep them, or write a `breaking` changelog fragment. If all this is meant: make snapshot"
    return "\n".join(["public names changed:", *gone, *new, advice])


def test_public_names_are_those_of_the_snapshot() -> None:
    today = public_names(ROOT, tracked())
    changed = difference(listed(SNAPSHOT.read_text()), today)
    assert not changed, changed
    assert len(today) <= MAX_NAMES


def test_every_public_module_is_for_somebody() -> None:
    text = grouped(public_names(ROOT, tracked()))
    assert "# For nobody" not in text
    assert listed(text) == listed(SNAPSHOT.read_text())
    assert grouped(["towpath.App", "towpath.stray.X"]).endswith("# For nobody\ntowpath.stray.X\n")


@pytest.mark.parametrize("module", sorted(module for modules in AUDIENCES.values() for module in modules))
def test_a_type_checker_knows_a_misspelt_name(module: str) -> None:
    """A module with `__getattr__` has any name to a type checker, unless the function is below `if not TYPE_CHECKING`."""
    path = ROOT / "src" / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    functions = [node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert "__getattr__" not in functions, f"{source}: put __getattr__ below `if not TYPE_CHECKING`"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("class A: ...\ndef f(): ...\nasync def g(): ...\nX = 1\nY: int = 2\n", ["A", "X", "Y", "f", "g"]),
        ("class _A: ...\ndef _f(): ...\n_X = 1\nimport os\nfrom a import B\n", []),
        ("from a import B, C\n__all__ = ['B']\n", ["B"]),
        ("__all__ = ('B',)\nC = 1\n", ["B"]),
    ],
)
def test_names_are_read_from_a_module(tmp_path: Path, text: str, names: list[str]) -> None:
    assert public_names(tmp_path, plant(tmp_path, {"src/p/m.py": text})) == [f"p.m.{name}" for name in names]


def test_private_modules_generated_code_and_other_trees_have_no_public_names(tmp_path: Path) -> None:
    private = {"src/p/_m.py": "X = 1", "src/_p/m.py": "X = 1", "src/p/m_pb2.py": "X = 1", "bench/m.py": "X = 1"}
    assert public_names(tmp_path, plant(tmp_path, private)) == []


def test_a_package_exports_under_its_own_name(tmp_path: Path) -> None:
    assert public_names(tmp_path, plant(tmp_path, {"src/p/__init__.py": "from p.m import X\n__all__ = ['X']\n"})) == ["p.X"]


def test_a_difference_says_what_went_what_came_and_what_to_do() -> None:
    changed = difference(["p.a", "p.b"], ["p.b", "p.c"])
    assert "  - p.a\n  + p.c" in changed
    assert "make snapshot" in changed
    assert difference(["p.a"], ["p.a"]) == ""
