"""Times as they are typed."""

from datetime import datetime

import pytest

from towpath._cli.traces.times import seconds, window
from towpath._core.errors import SetupError


@pytest.mark.parametrize(
    ("text", "meant"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1.5s", 1.5), ("250ms", 0.25), ("1d", 86_400), (" 5m ", 300)]
)
def test_durations(text: str, meant: float) -> None:
    assert seconds(text, "--last") == meant


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 m", "5m5s", "infs", "1e9s", "nan", "9" * 30 + "d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(SetupError, match=r"--last is .*; give a duration such as 30s, 5m or 2h"):
        seconds(text, "--last")


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone().timestamp()


@pytest.mark.parametrize(
    ("text", "now", "start", "end"),
    [
        ("10:20-10:30", "2026-05-05T12:00", "2026-05-05T10:20", "2026-05-05T10:30"),
        ("10:20 - 10:30:15", "2026-05-05T10:25", "2026-05-05T10:20", "2026-05-05T10:30:15"),
        ("23:00-23:30", "2026-05-05T12:00", "2026-05-04T23:00", "2026-05-04T23:30"),
        ("23:30-00:30", "2026-05-05T12:00", "2026-05-04T23:30", "2026-05-05T00:30"),
    ],
)
def test_windows(text: str, now: str, start: str, end: str) -> None:
    assert window(text, "--versus", at(now)) == (at(start), at(end))


@pytest.mark.parametrize("text", ["", "10:20", "10:20-", "10:20-10:20", "10:20-10:30-10:40", "25:00-26:00", "10:20Z-10:30Z", "a-b"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(SetupError, match=r"--versus is .*; give two times of day, such as 10:20-10:30"):
        window(text, "--versus", at("2026-05-05T12:00"))
