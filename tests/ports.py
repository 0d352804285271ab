"""Ports at which nobody listens until a test wants it.

A port that was free a moment ago is soon somebody else's: the machine gives it to the next who asks, and tests run side by side.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def free_port() -> Iterator[int]:
    """A port of 127.0.0.1 that refuses connections and is given to nobody who asks for any port; a server that is told it can listen at it,
    since both set SO_REUSEADDR."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
