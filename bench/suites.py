"""What is measured beside plain unary calls: each suite has its own work per call, and its own peers to be compared with."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Suite:
    """`levels` are how many calls are kept in flight, in this order; `warm_up` calls before each window are checked and not counted;
    `per_call` is how many of `unit` one call is."""

    title: str
    levels: tuple[int, ...]
    warm_up: int
    unit: str = "calls"
    per_call: int = 1


MESSAGES: Final = 1_000
"""Messages of each streaming call, in either direction that streams."""

BLOB: Final = 1024 * 1024
"""Bytes of the large message."""

UNARY: Final = Suite(title="unary calls", levels=(1, 64), warm_up=500)
SERVER_STREAMING: Final = Suite(title="server streaming", levels=(1, 8), warm_up=24, unit="messages", per_call=MESSAGES)
BIDI_STREAMING: Final = Suite(title="bidi streaming", levels=(1, 8), warm_up=24, unit="messages", per_call=MESSAGES)
LARGE: Final = Suite(title="1 MiB unary echo", levels=(8,), warm_up=100)
JSON_GET: Final = Suite(title="REST JSON GET", levels=(64,), warm_up=500)
TLS: Final = Suite(title="unary calls over TLS", levels=(64,), warm_up=500)
NEIGHBOUR: Final = Suite(title="unary calls beside a crowd", levels=(8,), warm_up=500)
