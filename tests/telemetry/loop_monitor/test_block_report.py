"""Who is told of a block, and how often."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from towpath._telemetry.loop_monitor.block import MAX_BLOCKS, Block, Cause, Frame, Victim
from towpath._telemetry.loop_monitor.block_report import LINE_PERIOD, MAX_LINES, BlockReport, blocks_in, sentence

LINE = Frame(file="shop/orders.py", line=88, function="rebuild", source="dumps(order)")


def block(number: int, **changes: Any) -> Block:
    facts: dict[str, Any] = {
        "number": number,
        "began": 1.5,
        "seconds": 0.0625,
        "ended": True,
        "cause": Cause.CODE,
        "stack": (LINE, Frame(file="shop/api.py", line=7, function="get")),
        "by": Victim(method="shop.v1.Orders/Get", trace_id="ab" * 16, request_id="r1"),
        "waited": 14,
        "victims": (Victim(method="shop.v1.Orders/List", trace_id="cd" * 16, request_id="r2"),),
    }
    return Block(**{**facts, **changes})


def test_a_line_of_the_log_names_code_call_and_victims() -> None:
    assert sentence(block(1, in_c=True)) == (
        "the event loop was blocked for 62 ms by shop/orders.py:88 in rebuild(): dumps(order) (in C), called at shop/api.py:7, "
        "in shop.v1.Orders/Get (request id r1); 14 calls waited"
    )


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.CODE])
def test_no_other_cause_blames_code(cause: Cause) -> None:
    text = sentence(block(1, cause=cause, stack=(), by=None, note="generation 2", waited=1))
    assert "62 ms" in text
    assert text.endswith("; 1 call waited")
    assert "orders" not in text


def test_a_line_of_code_is_logged_once_in_ten_seconds_and_then_its_count(caplog: pytest.LogCaptureFixture) -> None:
    time: Any = SimpleNamespace(now=lambda: 100.0)
    report = BlockReport(CollectorRegistry(), time=time)
    with caplog.at_level(logging.INFO, "towpath.loop"):
        for number in range(1, 6):
            report(block(number))
        assert len(caplog.messages) == 1
        time.now = lambda: 100.0 + LINE_PERIOD
        report(block(6))
    assert caplog.messages[1] == "the event loop was kept from turning 4 more times by shop/orders.py:88 rebuild"
    assert len(caplog.messages) == 3


def test_many_lines_of_code_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    time: Any = SimpleNamespace(now=lambda: 100.0)
    report = BlockReport(CollectorRegistry(), time=time)
    with caplog.at_level(logging.INFO, "towpath.loop"):
        for number in range(1, 1001):
            report(block(number, stack=(Frame(file="a.py", line=number, function="f"),)))
        report.close()
    assert len(caplog.messages) <= MAX_LINES + 1
    assert caplog.messages[-1].endswith(f"{1000 - MAX_LINES} more times by others")


def test_a_block_that_lasts_is_logged_after_a_second_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    report = BlockReport(CollectorRegistry())
    with caplog.at_level(logging.INFO, "towpath.loop"):
        report(block(1, ended=False))
        assert caplog.messages == []
        report(block(1, ended=False, seconds=1.6))
        report(block(1, ended=False, seconds=3.2))
        assert [" has been blocked for 1600 ms " in message for message in caplog.messages] == [True]


def test_the_ring_keeps_the_last_hundred_and_the_latest_of_each() -> None:
    report = BlockReport(CollectorRegistry())
    for number in range(1, 1001):
        report(block(number, ended=False))
        report(block(number))
    kept = report.blocks.last()
    assert [each.number for each in kept] == list(range(1001 - MAX_BLOCKS, 1001))
    assert all(each.ended for each in kept)
    assert report.blocks.count == 1000


def test_the_histogram_counts_each_block_by_its_cause() -> None:
    registry = CollectorRegistry()
    report = BlockReport(registry)
    report(block(1, ended=False))
    report(block(1))
    report(block(2, cause=Cause.GC))
    for cause in ("code", "gc"):
        assert registry.get_sample_value("towpath_loop_block_duration_seconds_count", {"cause": cause}) == 1


def test_the_file_has_the_blocks_while_they_last_for_the_owner_alone_and_is_gone_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "1.blocks"
    report = BlockReport(CollectorRegistry(), file=file)
    report(block(1, ended=False))
    assert blocks_in(file.read_text()) == (block(1, ended=False),)
    assert file.stat().st_mode & 0o777 == 0o600
    report(block(1))
    assert blocks_in(file.read_text()) == (block(1),)
    report.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    report = BlockReport(CollectorRegistry(), file=tmp_path / "no" / "folder")
    report(block(1))
    report.close()
    assert report.blocks.count == 1


@pytest.mark.parametrize("text", ["", "{}x", "[{}]", '["a"]', "[1]", "3"])
def test_other_text_is_no_list_of_blocks(text: str) -> None:
    with pytest.raises(ValueError, match=r"no list of blocks|Expecting|Extra data|property name"):
        blocks_in(text)
