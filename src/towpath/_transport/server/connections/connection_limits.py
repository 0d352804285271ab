"""How many connections a server may have, from whom and for how long, what a client has time for, and the reasons of decisions.

The age is gRPC's MAX_CONNECTION_AGE, with its jitter (see `towpath._transport.connection_age`).
`towpath._transport.server.connections.open_connections` holds the connections to these limits.
"""

from dataclasses import dataclass
from typing import Final

ROLE: Final = "connections"
"""The role of these limits."""

TOO_MANY: Final = "TOO_MANY_CONNECTIONS"
"""A new connection was closed: the server has its total, and a call is under way on each."""

TOO_MANY_OF_PEER: Final = "TOO_MANY_CONNECTIONS_OF_PEER"
"""A new connection was closed: its host has as many as one may have."""

MADE_ROOM: Final = "MADE_ROOM"
"""A connection with nothing under way was closed for a new one, since the server has its total."""

MAX_AGE: Final = "MAX_AGE"
"""A connection was let go for its age."""

HEAD_TIMEOUT: Final = "HEAD_TIMEOUT"
"""A connection was closed: what its client had begun to say did not come in time, or nothing came at all."""

UNUSED_TIMEOUT: Final = "UNUSED_TIMEOUT"
"""A connection was let go on which nothing was ever asked."""

IDLE_TIMEOUT: Final = "IDLE_TIMEOUT"
"""A connection was let go on which nothing was asked for long."""

KEEPALIVE_TIMEOUT: Final = "KEEPALIVE_TIMEOUT"
"""A connection with calls under way was closed: its client did not answer a ping."""

BODY_TIMEOUT: Final = "BODY_TIMEOUT"
"""A call was ended: its request did not come whole in time."""

UNREAD_TIMEOUT: Final = "UNREAD_TIMEOUT"
"""A connection was cut: its client read nothing of what waited for it."""

FLOOD: Final = "FLOOD"
"""A connection was closed: its client did more than it may of what costs a server and asks for nothing (HTTP/2's ENHANCE_YOUR_CALM)."""

NO_FILE_LEFT: Final = "NO_FILE_DESCRIPTOR_LEFT"
"""A new connection was closed: the process may not have another file open. Only asyncio's own loop tells of it."""


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """How many connections a server has, and how long each may be slow, silent or unused. A connection over HTTP/2 that is let go hears of
    it by GOAWAY: calls under way finish, and later ones go over a new connection."""

    total: int = 10_000
    """Connections that are open at once. It is less where the process may not have as many files open: an eighth of its limit
    (RLIMIT_NOFILE), 32 at the least, stays its own. At the total a new connection takes the place of one that has never asked anything,
    else of the one that has asked nothing for longest. Where calls are under way on all of them, the new one is closed without a word."""
    per_peer: int | None = None
    """Connections of one host that are open at once, beyond which a new one is closed without a word. Without it any number, since a proxy
    is one host."""
    max_age: float | None = None
    """Seconds after which a connection is let go, give or take a tenth, so that clients find new servers. Without it any age."""
    head_timeout: float = 20.0
    """Seconds for what a client has to say before anything can be done for it: its first bytes, the preface and settings of HTTP/2, the
    head of a request, once it has begun, and any other frame but those of a body."""
    unused_timeout: float | None = 300.0
    """Seconds after which a connection is let go on which nothing was ever asked."""
    idle_timeout: float | None = 3600.0
    """Seconds after which a connection is let go on which calls were made and none is under way."""
    keepalive_time: float | None = 300.0
    """Seconds between two pings of a client of HTTP/2 with calls under way. A client that vanished without a word would hold its place and
    its handlers for good, where something on the way acknowledges in its stead. It is an eighth of that while connections are refused."""
    keepalive_timeout: float = 300.0
    """Seconds without an answer to a ping after which the client's calls are cancelled and its connection is closed. It is an eighth of
    that while connections are refused."""
    body_timeout: float | None = 60.0
    """Seconds for a request that is one message to come whole, and a second more for each 500 bytes of it that have come. Its call ends
    with DEADLINE_EXCEEDED then. Requests that are streams have no such limit. Where a new connection needs the place, one on which nothing
    but such requests are under way has an eighth of it, and one over HTTP/1.1 on whose stream of requests nothing comes has 30 s."""
    unread_timeout: float | None = 240.0
    """Seconds for which a client may read nothing of what waits for it in the server, before it is cut. It is an eighth of that while more
    than 8 clients read nothing, or if a new connection needs the place. A stream whose consumer pauses does not count, as long as its
    client reads on for its other streams."""
    max_buffered: int = 32 * 1024 * 1024
    """Bytes that are kept for all connections together, of requests in part and of answers that are not read."""

    def __post_init__(self) -> None:
        """Raises ValueError for a limit that lets nobody in."""
        for name in (
            "total",
            "per_peer",
            "max_age",
            "head_timeout",
            "unused_timeout",
            "idle_timeout",
            "keepalive_time",
            "keepalive_timeout",
            "body_timeout",
            "unread_timeout",
            "max_buffered",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; give more than 0")
