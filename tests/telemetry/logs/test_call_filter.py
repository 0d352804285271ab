"""Records of a program with a format of its own have their call, also behind a queue."""

import json
import logging
import queue
from logging.handlers import QueueHandler

from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath.telemetry import CallFilter, ConsoleLogFormatter, JsonLogFormatter

TRACE = TraceContext(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def test_a_format_of_an_application_names_the_call() -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    before = QueueHandler(records)
    before.addFilter(CallFilter())
    token = enter(Context("shop.v1.Shop/Get", trace=TRACE))
    try:
        before.handle(logging.makeLogRecord({"msg": "within", "levelno": 20, "levelname": "INFO"}))
    finally:
        leave(token)
    before.handle(logging.makeLogRecord({"msg": "outside", "levelno": 20, "levelname": "INFO", "tenant": "given"}))
    within, outside = records.get(), records.get()
    own = logging.Formatter("%(message)s [%(method)s %(trace_id)s %(tenant)s]")
    assert own.format(within) == "within [shop.v1.Shop/Get 4bf92f3577b34da6a3ce929d0e0e4736 ]"
    assert own.format(outside) == "outside [  given]"
    told = json.loads(JsonLogFormatter().format(within))
    assert (told["method"], "tenant" in told) == ("shop.v1.Shop/Get", False)
    told = json.loads(JsonLogFormatter().format(outside))
    assert (told["tenant"], "trace_id" in told) == ("given", False)
    console = ConsoleLogFormatter(terminal=True, colour=False)
    assert console.format(within).endswith("within [Shop/Get 4bf92f35]")
    assert console.format(outside).endswith("outside [given]")
