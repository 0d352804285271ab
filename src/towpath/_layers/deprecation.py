"""The `deprecation` role: says once that a method is called which its contract calls deprecated.

Without it nobody learns of the option: a caller's code works as before, and the owner of the method does not know who is left to move. Once
in a process and side is enough, and costs the calls of all other methods nothing.
"""

import logging
from collections.abc import Coroutine
from typing import Any, Final, Literal

from towpath._core.context import Context
from towpath._core.service import Handler, MethodSpec

log = logging.getLogger("towpath.app")

_said: Final[set[tuple[str, str]]] = set()
"""The sides and methods of which this process has spoken."""


class Deprecation:
    """Logs the first call of each deprecated method on `side`, as a warning."""

    role = "deprecation"

    def __init__(self, side: Literal["server", "client"]) -> None:
        self._side = side

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Deprecated methods have this role until they were called in this process."""
        key = self._side, method.full_name
        if key in _said or not method.deprecated:
            return following

        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            if key not in _said:
                _said.add(key)
                if self._side == "client":
                    log.warning("this process calls %s, which is deprecated; its comment in the contract says what to call", ctx.method)
                else:
                    log.warning("%s is deprecated, and %s calls it", ctx.method, ctx.caller or ctx.peer or "a client")
            return following(request, ctx)

        return handle
