"""`make reference`: what nothing describes is an error, and a table of Markdown is one whatever stands in its cells."""

from pathlib import Path

import griffe
import pytest

from tools.reference import names, settings
from tools.reference.tables import table
from tools.reference.vocabulary import reasons_page, variables_page
from towpath._app.settings.declarations import CallTable
from towpath._app.vocabulary.reasons import REASONS
from towpath._app.vocabulary.variables import VARIABLES


def module(tmp_path: Path, source: str) -> griffe.Module:
    (tmp_path / "made.py").write_text(source)
    loaded = griffe.load("made", search_paths=[tmp_path])
    assert isinstance(loaded, griffe.Module)
    return loaded


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ('__all__ = ["f"]\ndef f():\n    """Does."""\n', []),
        ('__all__ = ["f"]\ndef f():\n    pass\n', ["made.f"]),
        ('__all__ = ["C"]\nclass C:\n    """Is."""\n    def f(self):\n        pass\n', ["made.C.f"]),
        ('__all__ = ["C"]\nclass C:\n    """Is."""\n    def _f(self):\n        pass\n', []),
        ('__all__ = ["C"]\nclass C:\n    """Is."""\n    n: int = 1\n', ["made.C.n"]),
        ('__all__ = ["C"]\nclass C:\n    """Is `n`."""\n    n: int = 1\n', []),
    ],
)
def test_a_public_name_without_a_docstring_is_named(tmp_path: Path, source: str, missing: list[str]) -> None:
    found: list[str] = []
    names.names_page(module(tmp_path, source), "Title", ["made"], found)
    assert found == missing


def test_a_setting_that_nothing_describes_is_named() -> None:
    library = griffe.load("towpath", search_paths=[Path(__file__).parents[2] / "src"])
    assert isinstance(library, griffe.Module)
    missing: list[str] = []
    described = settings.settings_page(library, missing)
    assert missing == []
    assert "## `[service.connections]`" in described
    library["_app.settings.declarations.CallTable"].members["times"].docstring = None
    settings.settings_page(library, missing)
    assert missing == ["the setting calls.times: no docstring"]


def test_every_key_of_the_file_has_a_row() -> None:
    library = griffe.load("towpath", search_paths=[Path(__file__).parents[2] / "src"])
    assert isinstance(library, griffe.Module)
    rows = list(settings.settings(library, []))
    assert {row.table for row in rows} >= {"[service]", "[targets.NAME]", "[[methodConfig]]", "[quotas.NAME]", "[[waivers]]", "[settings]"}
    assert {row.key for row in rows if row.table == "[[calls]]"} == set(CallTable.__struct_encode_fields__)
    tables = {"connections", "keepalive", "http1", "http2", "cors", "methods", "tls"}  # of `[service]`
    (service,) = (kind for kind in settings.SOURCES if kind.__name__ == "_Service")
    assert {row.key for row in rows if row.table == "[service]"} == set(service.__struct_encode_fields__) - tables


def test_each_variable_and_each_reason_has_a_row() -> None:
    assert all(f"| `{variable.name}" in variables_page() for variable in VARIABLES)
    assert all(f"| `{reason.name}` |" in reasons_page() for reason in REASONS)


def test_a_cell_of_a_table_breaks_no_row() -> None:
    assert table(("a", "b"), [("x | y", "two\nlines")]) == "| a | b |\n| --- | --- |\n| x \\| y | two lines |\n"
