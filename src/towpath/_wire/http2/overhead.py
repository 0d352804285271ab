"""What a peer may send that is no part of a call, or of a call that is none: one token bucket for each connection, on either end.

A frame of SETTINGS, PING or PRIORITY, or of a type that nobody knows, costs its sender next to nothing and has to be read all the same. So
does a call that is refused, malformed, or of a path that is not there. Each of them costs tokens, and the connection of a peer that has
none left ends with ENHANCE_YOUR_CALM (CVE-2019-9511 to 9518, CVE-2025-8671). Envoy and Tomcat count alike.

Peers have good reasons to send such frames, and the more, the more they are served: gRPC for Go sends a PING and a WINDOW_UPDATE for each
round trip in which data came, gRPC for Dart sends two WINDOW_UPDATEs for each frame of data, and Chrome a PRIORITY_UPDATE for each request.
So each call that is begun earns tokens, and so does each frame of a body that is sent to the peer. Who sends frames because it is served
is never held up.
"""

from typing import Final

from towpath._wire.http2.frames import (
    CONTINUATION,
    DATA,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
)

EARNED: Final = 4
"""Tokens that a call earns which the peer begins, and a frame of a body that is sent to it."""

UNWANTED: Final = EARNED + 1
"""Tokens that a call costs which comes to nothing, so that such calls earn nothing."""

SMALL: Final = 5
"""Bytes. A frame of DATA with fewer, behind another such one, carries less than it costs: the prefix of a message is as long as this."""

SLIVER: Final = 256
"""Bytes. A frame of DATA that the peer's window makes smaller than this earns nothing, and costs a token: a peer that opens its window byte
by byte is sent 10 bytes for each."""

_NAMES: Final = {
    DATA: "DATA with next to no data",
    HEADERS: "HEADERS of a call that comes to nothing",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM on a stream that has ended",
    SETTINGS: "SETTINGS",
    PUSH_PROMISE: "PUSH_PROMISE",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
}


def too_much(kind: int) -> str:
    """The reason that a peer is told for the frame that was one too many."""
    return f"too many frames beside those that calls need, the last of them {_NAMES.get(kind, 'of an unknown type')}"
