"""Limits that clients and servers have alike: how much one call may have queued, and by how much the ages of connections differ."""

import random
from typing import Final

SEND_QUEUE_LIMIT: Final = 64 * 1024
"""Bytes that one call may have waiting for its peer before the sender has to wait too."""

_AGE_JITTER: Final = 0.1


def jittered_age(max_age: float, source: random.Random) -> float:
    """The seconds that one connection may live: `max_age`, give or take a tenth, so that connections which began together do not end
    together. The tenth is gRPC's for MAX_CONNECTION_AGE (https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)."""
    return max_age * source.uniform(1 - _AGE_JITTER, 1 + _AGE_JITTER)
