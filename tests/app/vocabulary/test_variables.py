"""Every variable that the sources name is in the table, and each of the table is named by a source."""

import ast
import re

import pytest

from tests.architecture.repository import ROOT, tracked, written_by_hand
from towpath._app.vocabulary.variables import VARIABLES
from towpath._cli.config import VARIABLES as WINNING

TABLE = "src/towpath/_app/vocabulary/variables.py"
NAME = re.compile(r"TOWPATH_[A-Z_]+|OTEL_[A-Z_]+|NO_COLOR|FORCE_COLOR")
KNOWN = {variable.name for variable in VARIABLES}
START = "TOWPATH_"
"""What `towpath up` puts before the name of each of its variables."""


def named_in(source: str) -> set[str]:
    """The variables among the strings of a module. `TOWPATH_SETTINGS`, to which a name is added, is the beginning of several."""
    strings = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Module)}
    found = {name for text in strings if text not in docstrings and "\n" not in text for name in NAME.findall(text)}
    return {f"{name}_" if name == "TOWPATH_SETTINGS" else name for name in found} - {START}


def test_the_table_has_the_variables_that_are_read_and_no_others() -> None:
    sources = [path for path in written_by_hand(tracked(), under=("src/towpath/",)) if path != TABLE]
    named = {name for path in sources for name in named_in((ROOT / path).read_text())}
    of_one = {name for name in named if any(name.startswith(start) and name != start for start in KNOWN if start.endswith("_"))}
    assert named - of_one == KNOWN


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('os.environ.get("TOWPATH_NEW")', {"TOWPATH_NEW"}),
        ('f"TOWPATH_TARGET_{name}"', {"TOWPATH_TARGET_"}),
        ('VARIABLE = "TOWPATH_SETTINGS"', {"TOWPATH_SETTINGS_"}),
        ('"""Reads TOWPATH_OLD."""', set()),
    ],
)
def test_a_variable_is_found(source: str, found: set[str]) -> None:
    assert named_in(source) == found


def test_config_knows_which_variables_win() -> None:
    assert WINNING["listen"] == "TOWPATH_LISTEN"
    assert WINNING["trust"] == "TOWPATH_TRUST"
    assert "insecure" not in WINNING
