"""Every reason that the sources give has a row in the table, and the table has no other rows."""

import ast
import importlib
import re
from pathlib import Path

from tests.architecture.repository import ROOT, tracked, written_by_hand
from towpath._app.vocabulary.reasons import REASONS
from towpath._core.errors import Code

SOURCES = "src/towpath/"
GIVES = re.compile(r"\b(Decision|rejection|ErrorInfo)\(|^ROLE: Final", re.MULTILINE)
"""What is in a module that gives reasons, or defines those of a role for others."""

WORD = re.compile(r"[A-Z]{2,}(_[A-Z]+)*")
TABLE = "src/towpath/_app/vocabulary/"


def words_in(source: str) -> set[str]:
    """The words in capitals among the strings of a module."""
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value)
    }


def words_of(path: str) -> set[str]:
    """The words of a module that gives reasons: those written in it, and its constants, which may be from elsewhere."""
    source = (ROOT / path).read_text()
    if not GIVES.search(source) or path.startswith(TABLE):
        return set()
    name = ".".join(Path(path).relative_to("src").with_suffix("").parts)
    constants = {value for name, value in vars(importlib.import_module(name)).items() if name.isupper() and isinstance(value, str)}
    return words_in(source) | {value for value in constants if WORD.fullmatch(value)}


def test_the_table_has_the_reasons_that_are_given_and_no_others() -> None:
    given = {word for path in written_by_hand(tracked(), under=(SOURCES,)) for word in words_of(path)}
    assert given == {reason.name for reason in REASONS}


def test_a_word_that_is_not_in_the_table_is_found() -> None:
    assert words_in('def f(signal):\n    signal(Decision("", "role", "NO_SUCH_REASON", False, None))\n') == {"NO_SUCH_REASON"}


def test_a_role_has_a_reason_once() -> None:
    keys = [(reason.role, reason.name) for reason in REASONS]
    assert len(keys) == len(set(keys))


def test_each_reason_says_when_it_occurs_and_what_to_do() -> None:
    for reason in REASONS:
        assert reason.when.endswith("."), reason
        assert reason.remedy.endswith("."), reason
        assert reason.code is None or isinstance(reason.code, Code)
