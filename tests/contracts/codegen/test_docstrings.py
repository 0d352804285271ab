"""Any comment is a docstring that says the same."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._contracts.codegen.docstrings import docstring


def value_of(text: str, indent: str = "") -> str:
    body = "\n".join(docstring(text, indent))
    source = f"def f():\n{body}\n" if indent else body
    return ast.get_docstring(ast.parse(source).body[0] if indent else ast.parse(source)) or ""


@pytest.mark.parametrize(
    "text", ["one line", "first\n\nsecond", 'says """quoted"""', "C:\\new\\table", 'ends with "', "ends with \\", "naïve 東京"]
)
def test_what_is_written_is_what_python_reads(text):
    assert value_of(text, "    ") == text


def test_one_line_stays_one_line():
    assert list(docstring("Says it.", "    ")) == ['    """Says it."""']


def test_paragraphs_close_on_their_own_line_and_leave_no_blanks_behind():
    assert list(docstring("One.   \n\n  Two.\n    Three.", "    ")) == ['    """One.', "", "    Two.", "      Three.", '    """']


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip()))
def test_no_comment_breaks_the_module(text):
    ast.parse("\n".join(docstring("x" + text)))
