"""What of a comment is for readers."""

import pytest

from towpath._contracts.comments import deprecation, documentation


def test_the_blank_after_the_slashes_goes_and_deeper_indentation_stays():
    assert documentation(" One.\n\n Two:\n   - a\n") == "One.\n\nTwo:\n  - a"


def test_notes_between_double_dashes_are_internal():
    assert documentation(" Public.\n (-- api-linter: core::0131=disabled\n     because. --)\n") == "Public."


def test_directives_of_the_linter_are_not_documentation():
    assert documentation(" buf:lint:ignore RPC_REQUEST_STANDARD_NAME\n Gets it.\n") == "Gets it."


def test_nothing_stays_nothing():
    assert not documentation("")
    assert not documentation(" (-- only this --)\n")


@pytest.mark.parametrize(
    ("comment", "line"),
    [
        ("", "the field f is deprecated, as its contract says"),
        ("What it is.", "the field f is deprecated, as its contract says"),
        ("What it is.\n\nDeprecated: use\n  g.\n\nMore.", "Deprecated: use g."),
        ('DEPRECATED since 2.0, see "g"\x07', "DEPRECATED since 2.0, see 'g' "),
    ],
)
def test_one_line_says_why_something_is_deprecated(comment: str, line: str) -> None:
    assert deprecation("the field f", comment) == line
