"""A record is one line of JSON, whatever is in it."""

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry.logs.json_format import MAX_LINE, JsonLogFormatter


def record(message: object = "served", /, *args: object, **own: Any) -> logging.LogRecord:
    made = logging.LogRecord("shop", logging.INFO, __file__, 1, message, args, own.pop("exc_info", None))
    made.created, made.msecs = 1_795_000_000.25, 250.0
    made.__dict__.update(own)
    return made


def line(of: logging.LogRecord, **formatter: Any) -> dict[str, Any]:
    text = JsonLogFormatter(**formatter).format(of)
    assert "\n" not in text
    assert "\r" not in text
    assert len(text.encode()) <= MAX_LINE
    return json.loads(text)


def test_a_record_has_the_fields_of_the_data_model_and_those_it_was_given() -> None:
    assert line(
        record("served %d of %s", 3, "\u00fc\u6f22", sku="A-17", left=2, message="stale", asctime="now"), service="shop", worker=1
    ) == {
        "timestamp": "2026-11-18T11:06:40.250000Z",
        "severity": "INFO",
        "logger": "shop",
        "message": "served 3 of \u00fc\u6f22",
        "service": "shop",
        "worker": 1,
        "sku": "A-17",
        "left": 2,
    }


def test_a_record_within_a_call_has_the_call() -> None:
    trace = TraceContext(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    token = enter(Context("shop.v1.Shop/Get", trace=trace, request_id="r-1"))
    try:
        told = line(record())
    finally:
        leave(token)
    ids = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "request_id": "r-1"}
    assert {name: told.get(name) for name in ("method", "tenant", *ids)} == {"method": "shop.v1.Shop/Get", "tenant": None, **ids}


def test_a_field_of_the_code_stands_in_for_the_calls_but_not_for_the_records() -> None:
    told = line(record(tenant="other", severity="none", service="else"), service="shop")
    assert (told["tenant"], told["extra.severity"], told["extra.service"]) == ("other", "none", "else")
    assert (told["severity"], told["service"]) == ("INFO", "shop")


def test_an_exception_is_fields_of_its_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        told = line(record(exc_info=sys.exc_info()))
    assert (told["exception.type"], told["exception.message"]) == ("builtins.ValueError", "first\nsecond")
    assert told["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert told["exception.stacktrace"].endswith("ValueError: first\nsecond")


def test_an_exception_that_came_as_text_and_a_stack_are_fields() -> None:
    told = line(record(exc_text="Traceback: x", stack_info="Stack: y"))
    assert (told["exception.stacktrace"], told["stack"]) == ("Traceback: x", "Stack: y")
    assert "exception.type" not in told
    assert "exception.stacktrace" not in line(record(exc_info=(None, None, None)))


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Failing(Exception):
    __str__ = Unspeakable.__str__


class BadMapping(dict[str, str]):
    def items(self) -> Any:
        raise RuntimeError("no")


class BadTraceback(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override] # what an exception may do
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (record("x %d", "y"), "x %d ('y',) (they could not be formatted: TypeError)"),
        (
            record("x %s", Unspeakable()),
            "x %s (a tuple whose text could not be had: RuntimeError) (they could not be formatted: RuntimeError)",
        ),
        (record(Unspeakable()), "(a Unspeakable) () (they could not be formatted: RuntimeError)"),
        (record(b"\xff"), "b'\\xff'"),
        (record("a\udcffb"), "a\\udcffb"),
        (record("line\r\nbreak \x1b[2J\u2028"), "line\r\nbreak \x1b[2J\u2028"),
        (record("Bearer abcdef123"), "Bearer [redacted]"),
    ],
)
def test_what_cannot_be_formatted_is_said_all_the_same(made: logging.LogRecord, said: str) -> None:
    assert line(made)["message"] == said


def test_values_of_any_kind_are_values_of_json() -> None:
    deep: list[Any] = []
    for _ in range(10):
        deep = [deep]
    told = line(
        record(
            whole=2**70,
            below=-(2**70),
            real=1.5,
            infinite=float("inf"),
            nothing=None,
            yes=True,
            pair=(1, "b"),
            several={3},
            mapping={"password": "x", 4: b"\x00"},
            thing=Unspeakable(),
            bad=BadMapping(a="b"),
            deep=deep,
        )
    )
    assert told["whole"] == hex(2**70)
    assert told["below"] == hex(-(2**70))
    assert (told["real"], told["infinite"], told["nothing"], told["yes"]) == (1.5, "inf", None, True)
    assert (told["pair"], told["several"], told["mapping"]) == ([1, "b"], [3], {"password": "[redacted]", "4": "b'\\x00'"})
    assert told["thing"] == "(a Unspeakable whose text could not be had: RuntimeError)"
    assert told["bad"] == "(a BadMapping that could not be read)"
    assert told["deep"] == [[[["[[[[[[[]]]]]]]"]]]]


def test_exceptions_that_fail_to_tell_are_told() -> None:
    for error, said in ((Failing(), "(a Failing whose text could not be had: RuntimeError)"), (BadTraceback("b"), "b")):
        told = line(record(exc_info=(type(error), error, None)))
        assert told["exception.message"] == said
        assert told["exception.stacktrace"]


def test_an_argument_that_logs_where_it_is_formatted_ends() -> None:
    seen: list[str] = []

    class Logs:
        def __str__(self) -> str:
            seen.append(JsonLogFormatter().format(record("within: %s", self)))
            return "said"

    assert line(record("%s", Logs()))["message"] == "said"
    assert json.loads(seen[0])["message"] == "within: %s (its arguments were left out: they log where they are formatted)"


def test_the_end_of_a_long_traceback_and_the_beginning_of_a_long_message_are_kept() -> None:
    def deep(left: int) -> None:
        if left:
            shallow(left)
        else:
            raise ValueError("here")

    def shallow(left: int) -> None:
        deep(left - 1)

    try:
        deep(300)
    except ValueError:
        told = line(record("m" * 1_000_000, exc_info=sys.exc_info(), more="x" * 1_000_000))
    assert told["exception.stacktrace"].endswith("ValueError: here")
    assert "characters) ..." in told["exception.stacktrace"]
    assert told["message"].startswith("mmmm")
    assert told["more"].startswith("xxxx")


def test_a_line_is_bounded_also_where_every_character_is_escaped() -> None:
    assert line(record("\x00" * 9000, **{f"f{number}": ["\x00" * 3000] * 100 for number in range(200)}))["message"].startswith("\x00")
    assert line(record("x", **{"\x00" * 90 + str(number): {"a": {"b": "\x00" * 3000}} for number in range(200)}))["message"] == "x"
    wide: Any = {f"{number}" * 30: "\x00" * 64 for number in range(60)}
    for _ in range(3):
        wide = {f"{number}": wide for number in range(60)}  # 13 million values
    assert line(record("x", wide=wide, other=[wide]))["message"] == "x"


def test_no_half_of_a_secret_is_left_where_a_text_is_cut() -> None:
    for before in range(8130, 8200, 9):
        assert "s3cr3t" not in json.dumps(line(record("x" * before + " postgres://bob:s3cr3ts3cr3t@host/ " + "y" * 100)))
    for before in range(65_480, 65_520, 13):
        text = "\n" * before + " postgres://bob:s3cr3ts3cr3t@host/ " + "y" * 200_000
        assert "s3cr3t" not in json.dumps(line(record(text, exc_text=text, stack_info=text[::-1] + text)))


def test_a_record_that_is_none_is_a_line() -> None:
    made = record()
    made.created = None  # type: ignore[assignment] # what a test of the application's may do
    told = line(made)
    assert (told["severity"], told["message"]) == ("ERROR", "a record could not be formatted: TypeError")


@given(st.text() | st.binary() | st.integers() | st.none(), st.dictionaries(st.text(min_size=1), st.text() | st.floats() | st.integers()))
def test_any_record_is_one_line(message: object, own: dict[str, Any]) -> None:
    line(record(message, own_field=own, **{f"own_{name}": value for name, value in own.items()}))
