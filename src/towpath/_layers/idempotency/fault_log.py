"""The log of a store's faults. Callers are not told why a store failed, because its errors name hosts, files and statements."""

import logging
from typing import Final

from towpath._core import clock

log: Final = logging.getLogger("towpath.stores")

_INTERVAL: Final = 60.0
"""Seconds within which one fault is logged. A store that is down fails every call with a key."""


class FaultLog:
    """Logs the first fault of a store, and then one in each minute with the number of those between."""

    def __init__(self) -> None:
        self._due = float("-inf")
        self._untold = 0

    def tell(self, what: str, error: BaseException) -> None:
        """`what` has failed, a method or a transaction, because of `error`."""
        now = clock.now()
        if now < self._due:
            self._untold += 1
            return
        more = f"; {self._untold} more since the last such line" if self._untold else ""
        self._due, self._untold = now + _INTERVAL, 0
        log.warning("the store failed %s: %s%s", what, str(error) or type(error).__name__, more)
