"""How long to wait before something that failed is tried again."""

import random
from dataclasses import dataclass
from typing import Final

_NEEDED: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """The pauses between attempts to connect.

    The formula is gRPC's (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md), which begins at 1 s and goes to 120 s. Here
    0.1 and 10: an endpoint that restarts is back soon, and two minutes of not looking are an outage of their own. A call that finds no
    endpoint at all has it looked at again after half a second (`initial` if that is longer), which costs no more than the call.
    """

    initial: float = 0.1
    """Seconds before the second attempt to connect."""
    factor: float = 1.6
    """How many times longer each further pause is."""
    jitter: float = 0.2
    """The share of a pause by which it may be longer or shorter."""
    most: float = 10.0
    """Seconds of the longest pause, before the jitter."""

    def delay(self, failures: int, source: random.Random) -> float:
        """How long to wait after the last of `failures` in a row, at least one."""
        return min(self.most, self.initial * self.factor ** min(failures - 1, 64)) * source.uniform(1 - self.jitter, 1 + self.jitter)

    def needed(self, source: random.Random) -> float:
        """How long to wait at most while there are calls and nobody else to take them, however many failures there were."""
        return max(_NEEDED, self.initial) * source.uniform(1 - self.jitter, 1 + self.jitter)
