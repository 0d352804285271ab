"""Edits of a TOML file are right or refused."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import SetupError
from towpath._scaffold.additions.toml_text import with_item, with_value


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ('[s]\na = ["x"]\n', '[s]\na = ["x", "y"]\n'),
        ("[s]\na = []  # none\n", '[s]\na = ["y"]  # none\n'),
        ('[s]\na = [\n    "x",\n]\n', '[s]\na = [\n    "x",\n    "y"\n]\n'),
        ("[s]\nb = 1\n\n# about t\n[t]\nc = 1\n", '[s]\nb = 1\na = ["y"]\n\n# about t\n[t]\nc = 1\n'),
        ('[s]\na = ["y"]\n', '[s]\na = ["y"]\n'),
        ("[s]", '[s]\na = ["y"]'),
    ],
)
def test_an_item_is_added_to_a_list(text, edited):
    assert with_item(text, "s", "a", "y", "f") == edited


@pytest.mark.parametrize("text", ["s = { a = [] }\n", "a.b = 1\n"])
def test_a_table_in_another_form_is_refused(text):
    with pytest.raises(SetupError, match=r"f: has no table \[s\] as a header of its own"):
        with_item(text, "s", "a", "y", "f")


def test_a_list_in_another_form_is_refused():
    with pytest.raises(SetupError, match=r"f: \[s\] is written in a way that cannot be added to; add to it by hand"):
        with_item('[s]\na = ["]", "x"]\n', "s", "a", "y", "f")


def test_what_is_no_toml_is_refused():
    with pytest.raises(SetupError, match=r"f is no TOML: .*; mend it first"):
        with_value("[s", "s", "a", "y", "f")


@given(st.dictionaries(st.sampled_from("abc"), st.lists(st.text("xyz, ", max_size=3), max_size=3)), st.booleans())
def test_an_edit_changes_one_value_alone(lists, comments):
    body = "".join(f"{key} = {value!r}{' # [x]' if comments else ''}\n" for key, value in lists.items())
    text = f"[t]\nz = 1\n\n[s]\n{body}\n[u]\na = ['q']\n"
    edited = tomllib.loads(with_item(text, "s", "a", "y", "f"))
    wanted = tomllib.loads(text)
    if "y" not in wanted["s"].get("a", []):
        wanted["s"]["a"] = [*wanted["s"].get("a", []), "y"]
    assert edited == wanted
