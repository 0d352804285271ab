"""The log of faults that callers are not told, since their texts name hosts, files and statements."""

from logging import Logger
from typing import Final

from towpath._core import clock
from towpath._core.disclosure.redaction import redacted

_INTERVAL: Final = 60.0
"""Seconds within which one fault is logged. What is down fails every call that needs it."""


class FaultLog:
    """Logs the first fault of one thing in `log`, and then one in each minute with the number of those between."""

    __slots__ = ("_due", "_log", "_untold")

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._due = float("-inf")
        self._untold = 0

    def tell(self, what: str, error: BaseException) -> None:
        """Log that `what` has happened because of `error`."""
        now = clock.now()
        if now < self._due:
            self._untold += 1
            return
        more = f"; {self._untold} more since the last such line" if self._untold else ""
        self._due, self._untold = now + _INTERVAL, 0
        self._log.warning("%s: %s%s", what, redacted(str(error)) or type(error).__name__, more)
