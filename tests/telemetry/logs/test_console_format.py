"""Records as text, for a terminal and for a file."""

import logging
import re
import sys
from typing import Any

import pytest

from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry.logs.console_format import ConsoleLogFormatter, wants_colour

TRACE = TraceContext(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def record(message: str, *args: object, name: str = "shop", level: int = logging.INFO, **own: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, message, args, own.pop("exc_info", None))
    made.created, made.msecs = 1_795_000_000.25, 250.0
    made.__dict__.update(own)
    return made


def within(of: logging.LogRecord, formatter: ConsoleLogFormatter, **ctx: Any) -> str:
    context: Any = Context("shop.v1.ShopService/Reserve", trace=TRACE)
    for name, value in ctx.items():
        setattr(context, name, value)
    token = enter(context)
    try:
        return formatter.format(of)
    finally:
        leave(token)


def test_text_for_a_file_has_the_date_and_the_whole_trace() -> None:
    text = within(record("3 of %d", 4, sku="A 17", n=1), ConsoleLogFormatter(colour=False), tenant="acme")
    assert re.fullmatch(
        r"2026-11-1[789] \d\d:\d\d:\d\d,250 INFO shop: 3 of 4 sku='A 17' n=1 "
        r"\[shop\.v1\.ShopService/Reserve acme 4bf92f3577b34da6a3ce929d0e0e4736\]",
        text,
    )


def test_text_for_a_terminal_is_short() -> None:
    text = within(record("3 of 4"), ConsoleLogFormatter(terminal=True, colour=False))
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.250 INFO shop: 3 of 4 \[ShopService/Reserve 4bf92f35\]", text)


@pytest.mark.parametrize("colour", [False, True])
def test_a_line_for_a_call_fits_80_columns(colour: bool) -> None:
    access = record(
        "ShopService/Reserve DEADLINE_EXCEEDED 1000.0 ms", name="towpath.access", method="shop.v1.ShopService/Reserve", code="x"
    )
    text = within(access, ConsoleLogFormatter(terminal=True, colour=colour))
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert plain[12:] == " INFO towpath.access: ShopService/Reserve DEADLINE_EXCEEDED 1000.0 ms [4bf92f35]"
    assert (text == plain) != colour
    assert len(plain) <= 100
    quick = record("ShopService/Reserve OK 3.1 ms", name="towpath.access", trace_id="4bf92f3577b34da6a3ce929d0e0e4736", tenant="acme")
    assert len(ConsoleLogFormatter(terminal=True, colour=False).format(quick)) <= 80


@pytest.mark.parametrize(("level", "code"), [(logging.DEBUG, 2), (logging.INFO, 32), (logging.WARNING, 33), (logging.ERROR, 31), (50, 31)])
def test_a_level_has_its_colour(level: int, code: int) -> None:
    assert f"\x1b[{code}m{logging.getLevelName(level)}\x1b[0m" in ConsoleLogFormatter(colour=True).format(record("x", level=level))


def test_nobody_forges_a_record_or_commands_a_terminal() -> None:
    try:
        raise ValueError("2026-11-28 00:00:00,000 ERROR root: forged \x1b[2J password=hunter2")
    except ValueError:
        text = ConsoleLogFormatter(colour=False).format(
            record("for %s", "bob\r\n\x1b[31mroot", name="a\nb", exc_info=sys.exc_info(), stack_info="Stack\n  x", own="c\nd")
        )
    assert "\x1b" not in text
    assert "hunter2" not in text
    assert all(line.startswith("  ") for line in text.split("\n")[1:])
    assert "INFO a\\nb: for bob\\r\n  \\x1b[31mroot own='c\\nd'" in text


def test_a_record_that_is_none_is_a_line() -> None:
    made = record("x")
    made.created = None  # type: ignore[assignment] # what a test of the application's may do
    assert ConsoleLogFormatter(colour=False).format(made) == "ERROR towpath.logs: a record could not be formatted: AttributeError" or (
        "x" in ConsoleLogFormatter(colour=False).format(made)
    )


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": ""}, False, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_variables_say_whether_there_is_colour(environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_colour(environ, terminal=terminal) is wanted
