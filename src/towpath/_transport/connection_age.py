"""How old a connection gets, on the client and on the server: by how much the ages of connections differ."""

import random
from typing import Final

_AGE_JITTER: Final = 0.1
"""The share by which an age is longer or shorter at most."""


def jittered_age(max_age: float, source: random.Random) -> float:
    """The seconds that one connection may live: `max_age`, give or take a tenth, so that connections which began together do not end
    together. The tenth is gRPC's for MAX_CONNECTION_AGE (https://github.com/grpc/proposal/blob/master/A9-server-side-conn-mgt.md)."""
    return max_age * source.uniform(1 - _AGE_JITTER, 1 + _AGE_JITTER)
