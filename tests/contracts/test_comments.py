"""What of a comment is for readers."""

from towpath._contracts.comments import documentation


def test_the_blank_after_the_slashes_goes_and_deeper_indentation_stays():
    assert documentation(" One.\n\n Two:\n   - a\n") == "One.\n\nTwo:\n  - a"


def test_notes_between_double_dashes_are_internal():
    assert documentation(" Public.\n (-- api-linter: core::0131=disabled\n     because. --)\n") == "Public."


def test_directives_of_the_linter_are_not_documentation():
    assert documentation(" buf:lint:ignore RPC_REQUEST_STANDARD_NAME\n Gets it.\n") == "Gets it."


def test_nothing_stays_nothing():
    assert not documentation("")
    assert not documentation(" (-- only this --)\n")
