"""The application's callback for decisions: a function that is called beside the metrics, and can fail no call.

The function runs within the call, on the loop, because a rejection in an overload must cost next to nothing: no task is made for it and
nothing is queued. So the function cannot be awaited. Slow work, such as a request to a collector, belongs behind a queue of the
application's own.
"""

import inspect
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final

from towpath._core import clock
from towpath._core.decisions import Decision, Signal
from towpath._core.errors import SetupError

DecisionCallback = Callable[[Decision], object]
"""An application's function that is called with each decision. Its result is ignored."""

_LOGGED_EVERY: Final = 60.0
"""Seconds between two log entries about a callback that fails for decisions with the same reason."""

log = logging.getLogger("towpath.app")


def with_callback(counter: Signal, callback: DecisionCallback | None) -> Signal:
    """A signal that tells `counter`, then `callback`; `counter` itself if `callback` is None. Raises SetupError for an async callback."""
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
        except KeyboardInterrupt:  # Ctrl-C, where Python raises it
            raise
        except BaseException as fault:  # noqa: BLE001 # no failure of the callback changes the call, and sys.exit() in it ends no server
            self._failed(decision, fault)

    def _failed(self, decision: Decision, fault: BaseException) -> None:
        now = clock.now()
        if now - self._logged_at.get(decision.reason, -inf) < _LOGGED_EVERY:
            return
        self._logged_at[decision.reason] = now
        text = "on_decision failed (role %s, reason %s); calls go on, and its failures with this reason are not logged for %d s"
        with suppress(Exception):  # a handler of the application's logging may raise, too
            log.error(text, decision.role, decision.reason, _LOGGED_EVERY, exc_info=fault)


def _is_async(callback: object) -> bool:
    """Whether calling `callback` only makes a coroutine or an asynchronous iterator. It may be an object with an async `__call__`."""
    called = getattr(type(callback), "__call__", None)  # noqa: B004 # not whether there is one, but which
    return any(inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) for function in (callback, called))


def _name(callback: object) -> str:
    return str(getattr(callback, "__qualname__", repr(callback)))
