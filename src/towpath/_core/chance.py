"""The one place where towpath gets its randomness.

Jitter, sampling, the choice of an endpoint and the ids of traces all come from here, so that a simulation can put a seeded source under the
whole library with `using(...)` and see the same run twice. Nothing secret is drawn from it.
"""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager

bits: Callable[[int], int] = random.Random().getrandbits
"""So many random bits as an integer. Call it as `chance.bits(n)`, since `using` replaces it; it is bound because each call draws an id."""

generator: Callable[[], random.Random] = random.Random
"""A new generator of one's own (default: seeded by the operating system). Call it as `chance.generator()`, when an object is made."""


@contextmanager
def using(source: random.Random) -> Generator[None]:
    """Draw everything from `source` inside the `with` block: bits directly, generators by seeding them with it. Process-wide, so not for
    concurrent use; a generator that was made before keeps its own seed."""
    global bits, generator
    previous = bits, generator
    bits, generator = source.getrandbits, lambda: random.Random(source.getrandbits(64))
    try:
        yield
    finally:
        bits, generator = previous
