"""What towpath tells about itself: rate, errors and duration of every call; and formats of the log for programs with a log of their own."""

from typing import TYPE_CHECKING, Any

from towpath import _moved
from towpath._telemetry.exposition import write_exposition
from towpath._telemetry.logs.call_filter import CallFilter
from towpath._telemetry.logs.console_format import ConsoleLogFormatter
from towpath._telemetry.logs.json_format import JsonLogFormatter
from towpath._telemetry.metrics import CallMetrics

__all__ = ["CallFilter", "CallMetrics", "ConsoleLogFormatter", "JsonLogFormatter", "write_exposition"]

if not TYPE_CHECKING:  # see `towpath/__init__.py`

    def __getattr__(name: str) -> Any:
        return _moved.submodule(__name__, name)


__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
