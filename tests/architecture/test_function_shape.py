"""A function fits on a screen, and a call of it can be read: at most 60 lines, at most 6 positional parameters.

`self` and `cls` do not count. `__init__` counts: a constructor is a call like any other. Tests are measured by their length alone, since a
test's parameters are fixtures.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.ratchet import departures
from tests.architecture.repository import ROOT, SOURCES, plant, tracked, written_by_hand

MAX_LINES = 60
MAX_POSITIONAL = 6

LONG: Mapping[str, int] = {}
"""Functions above `MAX_LINES`, with the lines of each."""

WIDE: Mapping[str, int] = {}
"""Functions above `MAX_POSITIONAL`, with the positional parameters of each."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, Function]]:
    """Every function with its name, `path:Class.method`."""
    for path in paths:
        yield from _functions(ast.parse((root / path).read_text()), f"{path}:")


def _functions(tree: ast.AST, scope: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(node, Function | ast.ClassDef):
            inner = f"{scope}{node.name}."
        if isinstance(node, Function):
            yield f"{scope}{node.name}", node
        yield from _functions(node, inner)


def lines(function: Function) -> int:
    """From `def` to the last line, docstring and all."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def positional(function: Function) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def too_long(root: Path, paths: Iterable[str], recorded: Mapping[str, int] = LONG) -> list[str]:
    sizes: dict[str, int] = {}
    for name, function in functions(root, paths):
        sizes[name] = max(lines(function), sizes.get(name, 0))
    return departures(sizes, MAX_LINES, recorded, "lines")


def too_wide(root: Path, paths: Iterable[str], recorded: Mapping[str, int] = WIDE) -> list[str]:
    sizes: dict[str, int] = {}
    for name, function in functions(root, paths):
        sizes[name] = max(positional(function), sizes.get(name, 0))
    return departures(sizes, MAX_POSITIONAL, recorded, "positional parameters")


def test_functions_are_short() -> None:
    assert too_long(ROOT, written_by_hand(tracked(), under=(*SOURCES, "tests/"))) == []


def test_functions_take_few_positional_parameters() -> None:
    assert too_wide(ROOT, [path for path in written_by_hand(tracked()) if "/tests/" not in path]) == []


@pytest.mark.parametrize(
    ("length", "recorded", "findings"),
    [
        (60, {}, []),
        (61, {}, ["x.py:C.f has 61 lines, 60 is the maximum: split it by concept"]),
        (61, {"x.py:C.f": 61}, []),
        (62, {"x.py:C.f": 61}, ["x.py:C.f has 62 lines, 61 is the maximum: split it by concept"]),
        (61, {"x.py:C.f": 62}, ["x.py:C.f has 61 lines now: lower its record of 62"]),
        (60, {"x.py:C.f": 61}, ["x.py:C.f needs no exception any more: delete its record"]),
        (60, {"x.py:C.g": 61}, ["x.py:C.g needs no exception any more: delete its record"]),
    ],
)
def test_a_long_function_is_found(tmp_path: Path, length: int, recorded: dict[str, int], findings: list[str]) -> None:
    text = "class C:\n    def f(self):\n" + "        n = 1\n" * (length - 1)
    assert too_long(tmp_path, plant(tmp_path, {"x.py": text}), recorded) == findings


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("def f(a, b, c, d, e, g): ...", None),
        ("def f(a, b, c, d, e, g, h): ...", 7),
        ("def f(a, b, c, /, d, e, g, h, i=1): ...", 8),
        ("def f(a, b, c, d, e, g, *h, i, j, **k): ...", None),
        ("class C:\n    def f(self, a, b, c, d, e, g): ...", None),
        ("class C:\n    async def f(self, a, b, c, d, e, g, h): ...", 7),
        ("class C:\n    def __init__(self, a, b, c, d, e, g, h): ...", 7),
        ("if x:\n    def f(a, b, c, d, e, g, h): ...", 7),
        ("def outer():\n    def f(a, b, c, d, e, g, h): ...", 7),
    ],
)
def test_a_wide_function_is_found(tmp_path: Path, signature: str, count: int | None) -> None:
    found = too_wide(tmp_path, plant(tmp_path, {"x.py": signature + "\n"}), {})
    assert [f"has {count} positional parameters, 6 is the maximum" in text for text in found] == ([] if count is None else [True])
