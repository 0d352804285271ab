"""What lies between two nodes: how long bytes take, how many go at once, and how many are lost on the way.

Loss is shown as TCP shows it: nothing is missing, but it comes late by the retransmission timeout, doubled each time (RFC 6298, with
Linux's minimum of 200 ms); what is lost too often in a row ends the connection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

Latency = Callable[[Random], float]
"""Draws the seconds that one segment takes one way."""


def constant(seconds: float) -> Latency:
    """Always the same."""
    return lambda _: seconds


def uniform(least: float, most: float) -> Latency:
    """Anything from `least` to `most` seconds, each as likely."""
    return lambda random: random.uniform(least, most)


def lognormal(median: float, p99: float) -> Latency:
    """Half below `median` seconds and one in a hundred above `p99`: the long tail that networks have."""
    sigma = math.log(p99 / median) / 2.3263478740408408  # the standard normal's 99th percentile
    return lambda random: median * math.exp(sigma * random.gauss(0.0, 1.0))


_NEAR: Final = constant(0.0005)


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """`latency` one way (constant 0.5 ms); `bandwidth` in bytes per second of each connection and direction (None: any); `loss`, the
    probability that a segment has to be sent again (0); `retransmit`, seconds until it is (0.2, doubled each time); `attempts`, how often a
    segment is sent before its connection is reset (8); `buffer`, bytes that the two systems hold for a reader (256 KiB)."""

    latency: Latency = _NEAR
    bandwidth: float | None = None
    loss: float = 0.0
    retransmit: float = 0.2
    attempts: int = 8
    buffer: int = 256 * 1024

    def __post_init__(self) -> None:
        """Raises ValueError for a link over which nothing goes."""
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
