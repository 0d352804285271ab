"""Traces that are kept here, and that the servers are to keep which were called for them: each is told with the next request to it."""

from collections.abc import Iterator
from typing import Final

MOST_AT_ONCE: Final = 4
"""Traces that one request names."""

_MOST_WAITING: Final = 64
"""Traces that wait to be named to one server. What comes then is not named."""

_MOST_SERVERS: Final = 256
"""Servers for which traces wait. For one more the first of them is forgotten, since a server that is gone is never called again."""

_TRACE_ID: Final = 32
_HEX: Final = b"0123456789abcdef"


class Pins:
    """What waits to be told to servers."""

    def __init__(self) -> None:
        self.waiting: Final[dict[str, list[bytes]]] = {}
        """Trace ids, by the servers' addresses."""

    def add(self, address: str, trace_id: bytes) -> None:
        """Tell the server at `address` with the next request to it to keep this trace."""
        if not address:
            return
        waiting = self.waiting.get(address)
        if waiting is None:
            if len(self.waiting) >= _MOST_SERVERS:
                del self.waiting[next(iter(self.waiting))]
            waiting = self.waiting[address] = []
        if trace_id not in waiting and len(waiting) < _MOST_WAITING:
            waiting.append(trace_id)

    def take(self, address: str) -> bytes:
        """What is to be told to the server at `address` now; empty for nothing."""
        waiting = self.waiting.get(address)
        if not waiting:
            return b""
        told = waiting[:MOST_AT_ONCE]
        del waiting[:MOST_AT_ONCE]
        if not waiting:
            del self.waiting[address]
        return b",".join(told)


def pinned(told: bytes) -> Iterator[bytes]:
    """The trace ids that a caller has told. What is malformed is left out."""
    for trace_id in told[: MOST_AT_ONCE * (_TRACE_ID + 1)].split(b",")[:MOST_AT_ONCE]:
        if len(trace_id) == _TRACE_ID and not trace_id.strip(_HEX):
            yield trace_id
