"""The link between two nodes: how long bytes take, how many go at once, and how many are lost on the way.

Loss shows as it does through TCP: no byte is missing, but it comes late by the retransmission timeout, doubled each time (RFC 6298, with
Linux's minimum of 200 ms). A segment that is lost too often in a row ends the connection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

Latency = Callable[[Random], float]
"""Draws the seconds that one segment takes one way."""


def constant(seconds: float) -> Latency:
    """`seconds` for every segment."""
    return lambda _: seconds


def uniform(least: float, most: float) -> Latency:
    """Anything from `least` to `most` seconds, with equal probability."""
    return lambda random: random.uniform(least, most)


def lognormal(median: float, p99: float) -> Latency:
    """Half below `median` seconds and one in a hundred above `p99`: the long tail that networks have."""
    sigma = math.log(p99 / median) / 2.3263478740408408  # the standard normal's 99th percentile
    return lambda random: median * math.exp(sigma * random.gauss(0.0, 1.0))


_NEAR: Final = constant(0.0005)


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """What a link is like."""

    latency: Latency = _NEAR
    """The seconds of a segment, one way."""
    bandwidth: float | None = None
    """Bytes per second of each connection and direction; None for no bound."""
    loss: float = 0.0
    """The probability that a segment has to be sent again."""
    retransmit: float = 0.2
    """Seconds until a lost segment is sent again, doubled each time."""
    attempts: int = 8
    """How often a segment is sent before its connection is reset."""
    buffer: int = 256 * 1024
    """Bytes that the two systems hold for a reader."""

    def __post_init__(self) -> None:
        """Raises ValueError for a link that carries nothing."""
        if not 0 <= self.loss <= 1 or (self.bandwidth is not None and self.bandwidth <= 0) or self.attempts < 1:
            raise ValueError(f"loss {self.loss}, bandwidth {self.bandwidth}, attempts {self.attempts}: nothing would go over this link")

    def delay(self, random: Random) -> float | None:
        """Seconds that the next segment takes one way, its retransmissions included; None if it was lost too often."""
        delay = self.latency(random)
        if self.loss:
            again = self.retransmit
            for _ in range(self.attempts):
                if random.random() >= self.loss:
                    return delay
                delay += again
                again *= 2
            return None
        return delay
