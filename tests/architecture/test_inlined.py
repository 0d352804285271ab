"""A copy made for speed says whose copy it is, and a test that names the original holds the two together.

`# INLINED: Series.observe` in a source means that these lines do what `Series.observe` does, without the function call. This rule checks
the mark alone. The test that the mark asks for compares copy and original.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked, written_by_hand

_MARK = re.compile(r"# INLINED: ((?:\w+\.)*\w+)")


def unheld(root: Path, sources: Iterable[str], tests: Iterable[str]) -> list[str]:
    """Marks of functions that do not exist, or that no test names."""
    texts = {path: (root / path).read_text() for path in sources}
    marks = [
        (f"{path}:{number}", mark[1])
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        for mark in _MARK.finditer(line)
    ]
    defined = {name for text in texts.values() for name in _defined(ast.parse(text), "")} if marks else set()
    tested = "\n".join((root / path).read_text() for path in tests) if marks else ""
    findings: list[str] = []
    for place, name in marks:
        if name not in defined:
            findings.append(f"{place} is marked as a copy of {name}, which does not exist: name the original as `Class.method`")
        elif not re.search(rf"\b{re.escape(name)}\b", tested):
            findings.append(f"{place} is a copy of {name}, and no test names that: compare the two with the same inputs, and name it there")
    return findings


def _defined(tree: ast.AST, scope: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{scope}{node.name}"
            yield from _defined(node, f"{scope}{node.name}.")


def test_copies_are_held_to_their_originals() -> None:
    paths = tracked()
    tests = [path for path in written_by_hand(paths, under=("tests/",)) if not path.startswith("tests/architecture/")]
    assert unheld(ROOT, written_by_hand(paths, under=("src/",)), tests) == []


@pytest.mark.parametrize(
    ("mark", "test", "finding"),
    [
        ("# INLINED: C.f", "compares it with `C.f`", None),
        ("n = 1  # INLINED: C.f, one function call less", "compares it with C.f.", None),
        ("# INLINED: g", "compares it with g", None),
        ("# INLINED: C.f", "compares it with f", "src/x.py:5 is a copy of C.f, and no test names that"),
        ("# INLINED: C.f", "compares it with C.further", "src/x.py:5 is a copy of C.f, and no test names that"),
        ("# INLINED: C.h", "compares it with C.h", "src/x.py:5 is marked as a copy of C.h, which does not exist"),
        ("# INLINED: f", "compares it with f", "src/x.py:5 is marked as a copy of f, which does not exist"),
        ("# inlined for speed", "", None),
    ],
)
def test_a_copy_that_nothing_holds_is_found(tmp_path: Path, mark: str, test: str, finding: str | None) -> None:
    text = f"class C:\n    def f(self): ...\n\ndef g(): ...\n{mark}\n"
    plant(tmp_path, {"src/x.py": text, "tests/test_x.py": f'"""{test}"""\n'})
    found = unheld(tmp_path, ["src/x.py"], ["tests/test_x.py"])
    assert [text[: len(finding or "")] for text in found] == ([] if finding is None else [finding])
