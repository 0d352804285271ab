"""Prose that makes a reader go back. The rules for prose are in CONTRIBUTING.md; these are the ones that a machine can hold."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.architecture.repository import ROOT, plant, tracked

SHUNNED: Mapping[str, re.Pattern[str]] = {
    "say it again in full, for it stands where the reader looks": re.compile(r"\blikewise\b", re.IGNORECASE),
    "a docstring that only points elsewhere says nothing: delete it": re.compile(r'"""See the port\."""'),
}
"""What to do instead, and the words. They are looked for in every line of sources and documents."""

UNCLEAR: Mapping[str, re.Pattern[str]] = {
    "name the caller, the server or the code that is meant": re.compile(r"\bwhoever\b|^(?:Whom?|Those (?:that|which))\b", re.IGNORECASE),
}
"""What to do instead, and the words. They are looked for in each docstring and comment, since a message may need them."""

LISTED: re.Pattern[str] = re.compile(r"`\w+`[^.;]*; (?:and )?`\w+`")
"""Attributes of a class that one sentence explains, with a semicolon between them."""

OPEN = ("src/towpath/_core/context.py", "src/towpath/_layers/admission/", "src/towpath/_transport/", "src/towpath/_wire/")
"""Where the rules for docstrings and comments do not hold yet."""


def shunned(root: Path, paths: Iterable[str]) -> list[str]:
    return [
        f"{path}:{number} has `{match[0]}`: {advice}"
        for path in paths
        for number, line in enumerate((root / path).read_text().splitlines(), 1)
        for advice, words in SHUNNED.items()
        for match in words.finditer(line)
    ]


def unclear(root: Path, paths: Iterable[str]) -> list[str]:
    findings: list[str] = []
    for path in paths:
        text = (root / path).read_text()
        of_classes, others = _docstrings(ast.parse(text))
        for number, prose in [*of_classes, *others, *_comments(text)]:
            for advice, words in UNCLEAR.items():
                findings += [f"{path}:{number} has `{match[0]}`: {advice}" for match in words.finditer(prose)]
        findings += [f"{path}:{number} lists attributes: give each a docstring" for number, prose in of_classes if LISTED.search(prose)]
    return findings


def _docstrings(tree: ast.Module) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """The docstrings of classes, and all others with those of attributes. Each comes with its line."""
    of_classes: list[tuple[int, str]] = []
    others: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for statement in node.body:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(prose))):
                        first = isinstance(node, ast.ClassDef) and statement is node.body[0]
                        (of_classes if first else others).append((statement.lineno, prose))
                    case _:
                        pass
    return of_classes, others


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: ")


def test_sources_and_documents_are_plain() -> None:
    begin = "src/", "labs/", "docs/", "README", "ARCHITECTURE"
    assert shunned(ROOT, [path for path in tracked() if path.endswith((".py", ".md")) and path.startswith(begin)]) == []


def test_docstrings_and_comments_have_clear_subjects() -> None:
    sources = [path for path in tracked() if path.endswith(".py") and path.startswith(("src/", "labs/"))]
    assert unclear(ROOT, [path for path in sources if not path.startswith(OPEN)]) == []


@pytest.mark.parametrize("place", OPEN)
def test_a_place_is_open_only_while_something_is_unclear_there(place: str) -> None:
    sources = [path for path in tracked() if path.endswith(".py") and path.startswith(place)]
    assert unclear(ROOT, sources), f"{place} is clear: take it out of OPEN"


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("# The other one has it too.", 0),
        ("# Likewise the other.", 1),
        ("# The other likewise, and this likewise.", 2),
        ('"""See the port."""', 1),
    ],
)
def test_a_shunned_word_is_found(tmp_path: Path, text: str, findings: int) -> None:
    assert len(shunned(tmp_path, plant(tmp_path, {"x.py": text + "\n"}))) == findings


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("# The caller waits, whoever it is.", 1),
        ("pass  # told to whoever reads", 1),
        ('"""Whom the call is made for."""', 1),
        ('LIMIT = 3\n"""Those that wait, at most."""', 1),
        ('class A:\n    """The one, for whoever asks."""', 1),
        ('"""The client whose calls are rejected."""', 0),
        ('"""The tests of those that wait."""', 0),
        ('raise SystemExit("set by whoever starts the process")', 0),
    ],
)
def test_an_unclear_subject_is_found(tmp_path: Path, text: str, findings: int) -> None:
    assert len(unclear(tmp_path, plant(tmp_path, {"x.py": text + "\n"}))) == findings


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ('class A:\n    """A limit. `size` is in bytes; `age` in seconds."""', 1),
        ('class A:\n    """`size` is in bytes; and `age`\n    in seconds; `name` is for messages."""', 1),
        ('class A:\n    """A limit. `size` is in bytes. `age` is in seconds."""', 0),
        ('class A:\n    """A limit in bytes; `size` is one."""', 0),
        ('class A:\n    """A limit."""\n\n    size: int\n    """Bytes; `age` is elsewhere."""', 0),
        ('def f(size, age):\n    """`size` is in bytes; `age` in seconds."""', 0),
    ],
)
def test_a_list_of_attributes_is_found(tmp_path: Path, text: str, findings: int) -> None:
    assert len(unclear(tmp_path, plant(tmp_path, {"x.py": text + "\n"}))) == findings
