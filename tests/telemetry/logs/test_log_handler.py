"""The handler formats in the thread that logs, holds no lock, and waits for nobody."""

import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from towpath._telemetry.logs.json_format import JsonLogFormatter
from towpath._telemetry.logs.log_handler import LogHandler

PATIENCE = 60.0


@contextmanager
def logging_to(path: Path) -> Iterator[logging.Logger]:
    logger = logging.Logger("shop", logging.DEBUG)  # noqa: LOG001 - one that belongs to no tree, and so has no other handlers
    with path.open("wb") as file:
        handler = LogHandler(file.fileno(), JsonLogFormatter())
        logger.addHandler(handler)
        yield logger
        handler.flush()
        handler.close()


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_no_lock_is_held_while_a_record_is_formatted(tmp_path: Path) -> None:
    """An argument that waits for another thread which logs: with a lock around it, both wait for ever."""
    with logging_to(tmp_path / "log") as logger:

        class Waits:
            def __str__(self) -> str:
                other = threading.Thread(target=lambda: logger.info("other"))
                other.start()
                other.join(PATIENCE)
                assert not other.is_alive()
                return "first"

        logger.info("%s", Waits())
    assert [line["message"] for line in lines_of(tmp_path / "log")] == ["other", "first"]


def test_an_argument_that_logs_itself_ends(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log") as logger:

        class Logs:
            def __repr__(self) -> str:
                logger.debug("again: %s", self)
                return "thing"

        logger.info("%s", Logs())
    *within, last = [line["message"] for line in lines_of(tmp_path / "log")]
    assert last == "thing"
    assert within[0] == "again: %s (its arguments were left out: they log where they are formatted)"


def test_a_signal_handler_may_log_in_the_midst_of_a_record(tmp_path: Path) -> None:
    with logging_to(tmp_path / "log") as logger:
        before = signal.signal(signal.SIGUSR1, lambda *_: logger.warning("signalled"))
        try:

            class Signals:
                def __str__(self) -> str:
                    os.kill(os.getpid(), signal.SIGUSR1)
                    return "said"

            for _ in range(100):
                logger.info("%s", Signals())
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert [line["message"] for line in lines_of(tmp_path / "log")].count("signalled") == 100
    assert len(lines_of(tmp_path / "log")) == 200


def test_filters_hold_and_may_return_another_record(tmp_path: Path) -> None:
    class Other(logging.Filter):
        def filter(self, record: logging.LogRecord) -> Any:
            return logging.makeLogRecord({**vars(record), "msg": "other"}) if record.msg == "one" else record.msg != "none"

    with logging_to(tmp_path / "log") as logger:
        handler = logger.handlers[0]
        handler.addFilter(Other())
        record = logging.LogRecord("shop", logging.INFO, __file__, 1, "none", (), None)
        assert not handler.handle(record)
        logger.info("two")
        logger.info("one")
    assert lines_of(tmp_path / "log")[0]["message"] == "two"
    assert lines_of(tmp_path / "log")[1]["message"] in ("other", "one")  # Python 3.11 takes the answer for yes


def test_a_text_that_the_stream_has_no_characters_for_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        handler = LogHandler(file.fileno(), logging.Formatter("%(message)s"), "ascii")
        handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, "\u00fc\u6f22\udcff", (), None))
    assert (tmp_path / "log").read_bytes() == b"\\xfc\\u6f22\\udcff\n"


def test_the_line_about_dropped_ones_belongs_to_no_call() -> None:
    from towpath._core.context import Context, enter, leave

    reader, writer = os.pipe()
    handler = LogHandler(writer, JsonLogFormatter())
    token = enter(Context("shop.v1.Shop/Get"))
    try:
        for _ in range(6_000):
            handler.handle(logging.LogRecord("shop", logging.INFO, __file__, 1, "m" * 200, (), None))
    finally:
        leave(token)
    data = b""
    while b"were dropped" not in data or not data.endswith(b"\n"):
        data += os.read(reader, 1 << 16)
    *others, last = map(json.loads, data.splitlines())
    assert (last["logger"], last["severity"]) == ("towpath.logs", "WARNING")
    assert last["message"].startswith(f"{6_000 - len(others)} lines of the log before this one were dropped")
    assert "method" not in last
    assert others[0]["method"] == "shop.v1.Shop/Get"
    os.close(reader)
    os.close(writer)
