"""Whatever a child prints comes out as bounded, printable lines behind its name."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._app.process.child_output import MAX_LINE_BYTES, Lines, json_lines, prefixed


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_put_together_from_pieces():
    lines = Lines()
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o\r\n\nthr") == ["two", ""]
    assert lines.end() == ["thr"]
    assert lines.end() == []


def test_junk_is_escaped_and_text_is_kept():
    assert Lines().feed("caf\u00e9\t\x1b[2J\x00".encode() + b"\xff\n") == ["caf\u00e9\t\\x1b[2J\\x00\\xff"]


def test_a_line_without_an_end_is_cut():
    lines = Lines()
    out = lines.feed(b"x" * (2 * MAX_LINE_BYTES + 5))
    assert [len(line) for line in out] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert lines.end() == ["xxxxx"]
    assert [len(line) for line in lines.feed(b"y" * (MAX_LINE_BYTES + 1) + b"\n")] == [MAX_LINE_BYTES, 1]


@given(st.lists(st.binary(max_size=64)))
def test_pieces_make_no_difference(pieces):
    whole, cut = Lines(), Lines()
    expected = [*whole.feed(b"".join(pieces)), *whole.end()]
    assert [line for piece in pieces for line in cut.feed(piece)] + cut.end() == expected
    assert all(character.isprintable() or ord(character) > 0x9F or character == "\t" for line in expected for character in line)


def test_names_are_padded_to_one_width():
    stream = io.StringIO()
    emit = prefixed(["a", "long"], stream)
    emit("a", "first")
    emit("long", "")
    assert stream.getvalue() == "a    | first\nlong |\n"


def test_a_terminal_gets_colours_unless_it_wants_none(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    prefixed(["a"], stream)("a", "x")
    assert stream.getvalue() == "\x1b[36ma |\x1b[0m x\n"
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    prefixed(["a"], stream)("a", "x")
    assert stream.getvalue() == "a | x\n"


def test_what_the_stream_cannot_show_is_escaped():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    prefixed(["a"], stream)("a", "caf\u00e9")
    assert raw.getvalue() == b"a | caf\\xe9\n"


def test_lines_in_a_pipe_are_objects_and_records_keep_their_fields():
    stream = io.StringIO()
    emit = json_lines(stream)
    emit("cart", '{"timestamp": "2026-11-28T05:43:15.042000Z", "severity": "INFO", "message": "cart serves", "service": "its own"}')
    for line in ("\u00e9 half a line", "{broken", '{"no": "record"}', '["message"]', "{" * 8000 + "}"):
        emit("cart", line)
    first, *others = map(json.loads, stream.getvalue().splitlines())
    assert first == {"service": "cart", "timestamp": "2026-11-28T05:43:15.042000Z", "severity": "INFO", "message": "cart serves"}
    assert [other["message"] for other in others][:-1] == ["\u00e9 half a line", "{broken", '{"no": "record"}', '["message"]']
    assert all(set(other) == {"service", "message"} for other in others)


def test_on_a_terminal_a_record_has_the_time_of_day_and_its_levels_colour(monkeypatch: pytest.MonkeyPatch):
    line = "2026-11-28 05:43:15,042 WARNING shop: 2 of 4 are left"
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for no_colour, shown in (
        ("", "\x1b[36mcart |\x1b[0m \x1b[2m05:43:15.042\x1b[0m \x1b[33mWARNING\x1b[0m shop: 2 of 4 are left\n"),
        ("1", "cart | 05:43:15.042 WARNING shop: 2 of 4 are left\n"),
    ):
        monkeypatch.setenv("NO_COLOR", no_colour)
        stream = Terminal()
        prefixed(["cart"], stream)("cart", line)
        assert stream.getvalue() == shown
    stream = io.StringIO()
    prefixed(["cart"], stream)("cart", line)
    assert stream.getvalue() == f"cart | {line}\n"
