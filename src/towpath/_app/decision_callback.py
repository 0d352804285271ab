"""What an application hears of decisions: its own function beside the metrics, which can fail no call.

The function runs within the call, on the loop, because whoever is rejected in an overload must cost next to nothing: no task is made for it
and nothing is queued. So it cannot be awaited. What takes time, a request to a collector say, belongs behind a queue of the application's.
"""

import inspect
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final

from towpath._core import clock
from towpath._core.errors import SetupError
from towpath._core.signals import Decision, Signal

DecisionCallback = Callable[[Decision], object]
"""An application's function that is called with each decision. What it returns is ignored."""

_LOGGED_EVERY: Final = 60.0
"""Seconds between two entries in the log about a callback that fails for the same reason of a decision."""

log = logging.getLogger("towpath.app")


def with_callback(counter: Signal, callback: DecisionCallback | None) -> Signal:
    """A signal that tells `counter`, then `callback`; `counter` itself without one. Raises SetupError for a callback that is async."""
    if callback is None:
        return counter
    if _is_async(callback):
        raise SetupError(
            f"on_decision is {_name(callback)}, which is async, and nobody could await it: it is called within the call that was decided "
            "about; give a plain function, which may put the decision into an asyncio.Queue"
        )
    return _FanOut(counter, callback)


class _FanOut:
    """Tells the metrics and the application."""

    __slots__ = ("_callback", "_counter", "_logged_at")

    def __init__(self, counter: Signal, callback: DecisionCallback) -> None:
        self._counter = counter
        self._callback = callback
        self._logged_at: dict[str, float] = {}  # by reason, of which there are few

    def __call__(self, decision: Decision) -> None:
        self._counter(decision)
        try:
            self._callback(decision)
        except Exception as fault:  # noqa: BLE001 # whatever it is, the call goes on as it was decided
            self._failed(decision, fault)

    def _failed(self, decision: Decision, fault: Exception) -> None:
        now = clock.now()
        if now - self._logged_at.get(decision.reason, -inf) < _LOGGED_EVERY:
            return
        self._logged_at[decision.reason] = now
        text = "on_decision failed (role %s, reason %s); calls go on, and its failures with this reason are not logged for %d s"
        with suppress(Exception):  # from a handler of the application's logging
            log.error(text, decision.role, decision.reason, _LOGGED_EVERY, exc_info=fault)


def _is_async(callback: object) -> bool:
    """Whether a call of it only makes a coroutine or an asynchronous iterator, also where it is an object with an async `__call__`."""
    called = getattr(type(callback), "__call__", None)  # noqa: B004 # not whether there is one, but which
    return any(inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) for function in (callback, called))


def _name(callback: object) -> str:
    return str(getattr(callback, "__qualname__", repr(callback)))
