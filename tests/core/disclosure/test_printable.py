"""Text that somebody else has chosen, as errors and logs show it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath import Code, RpcError
from towpath._core.disclosure.printable import printable, printable_lines, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00fcml\u00e4ut \u6f22", "plain \u00fcml\u00e4ut \u6f22"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
        ("\x7f\x9b31m\x85", "\\x7f\\x9b31m\\x85"),
        ("\u202eevil\u2066\u2028\u200f", "\\u202eevil\\u2066\\u2028\\u200f"),
        ("\ud800", "\\ud800"),
        ("soft\u00adhyphen \U000e0001", "soft\u00adhyphen \U000e0001"),
    ],
)
def test_what_harms_a_terminal_or_a_log_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_text_is_two_lines_and_only_the_first_line_begins_at_the_margin(text: str) -> None:
    assert len(printable(text).splitlines()) <= 1
    first, *rest = printable_lines(text).split("\n")
    assert "\r" not in first
    assert all(line.startswith("  ") for line in rest)
    assert len(rest) == (text.count("\n"))
    assert printable_lines(text).replace("\t", "") == printable_lines(text.replace("\t", ""))


def test_what_is_too_long_is_cut() -> None:
    assert shortened("a" * 100) == "a" * 100
    assert shortened("a" * 101) == "a" * 100 + "..."
    assert shortened("abc", 2) == "ab..."


def test_an_error_that_is_printed_is_one_line_and_keeps_its_message() -> None:
    error = RpcError(Code.NOT_FOUND, "a\n2026-11-28 ERROR forged\x1b[2J")
    assert str(error) == "NOT_FOUND: a\\n2026-11-28 ERROR forged\\x1b[2J"
    assert error.message == "a\n2026-11-28 ERROR forged\x1b[2J"
