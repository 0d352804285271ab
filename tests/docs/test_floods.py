"""The page about floods lists the days that are tried, and the limits that hold."""

from pathlib import Path

from tests.wire.http2.test_overhead_worst_days import CLIENTS, SERVERS
from towpath._wire.http2 import DEFAULT_LIMITS
from towpath._wire.http2.overhead import EARNED, SLIVER, SMALL

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "floods.md"


def test_each_day_that_is_tried_is_listed_and_no_other() -> None:
    days = PAGE.read_text().partition("## The worst days of real clients")[2]
    listed = [row.split("|")[1].strip() for row in days.splitlines() if row.startswith("| ")][1:]
    assert listed == [*CLIENTS, *SERVERS]


def test_the_figures_are_those_of_the_limits() -> None:
    text = " ".join(PAGE.read_text().split())
    burst, rate = DEFAULT_LIMITS.overhead_burst, DEFAULT_LIMITS.overhead_per_second
    assert f"has {burst:,} tokens at first and at the most, and gets {rate:,.0f} a second" in text
    assert f"Each other call earns {EARNED} tokens" in text
    assert f"DATA with less than {SMALL} bytes" in text
    assert f"less than {SLIVER} bytes of a message go" in text
