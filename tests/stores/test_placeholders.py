"""`?` for every database."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._stores.placeholders import numbered


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("SELECT 1", "SELECT 1"),
        ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES ($1, $2)"),
        ("SELECT '?' || ?", "SELECT '?' || $1"),
        ("SELECT 'it''s ?', ?", "SELECT 'it''s ?', $1"),
        (r"SELECT E'\'?', ?", r"SELECT E'\'?', $1"),
        (r"SELECT '\', ?", r"SELECT '\', $1"),
        ('SELECT "a ""?" FROM t WHERE b = ?', 'SELECT "a ""?" FROM t WHERE b = $1'),
        ("SELECT $$ ? $$, ?", "SELECT $$ ? $$, $1"),
        ("SELECT $a$ ? $$ ? $a$, ?", "SELECT $a$ ? $$ ? $a$, $1"),
        ("SELECT ? -- really?\n, ?", "SELECT $1 -- really?\n, $2"),
        ("SELECT /* ? \n ? */ ?", "SELECT /* ? \n ? */ $1"),
        ("SELECT d ?? ?, d ??| ?", "SELECT d ? $1, d ?| $2"),
        ("SELECT $1, $2", "SELECT $1, $2"),
        ("SELECT 'open ?", "SELECT 'open $1"),
    ],
)
def test_a_question_mark_is_a_placeholder_unless_it_is_part_of_a_text(written: str, sent: str) -> None:
    assert numbered(written) == sent


@given(st.lists(st.sampled_from(["?", "'?'", "'it''s'", '"a?"', "1", "-- ?\n1", "/* ? */ 2"]), min_size=1))
def test_as_many_are_numbered_as_sqlite_counts(parts: list[str]) -> None:
    sql = f"SELECT {', '.join(parts)}".replace('"a?"', 'x."a?"') + ' FROM (SELECT 1 AS "a?") AS x'
    count = parts.count("?")
    sqlite3.connect(":memory:").execute(sql, tuple(range(count)))  # raises if it counts otherwise
    sent = numbered(sql)
    assert all(f"${number}" in sent for number in range(1, count + 1))
    assert f"${count + 1}" not in sent
