"""The one place where towpath gets its randomness.

Jitter, sampling, the choice of an endpoint and the ids of traces all come from here. So a simulation can put a seeded source under the
whole library with `using(...)`, and see the same run twice. Secrets must not be drawn from this source.
"""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager

bits: Callable[[int], int] = random.Random().getrandbits
"""An integer of so many random bits. Call it as `chance.bits(n)`, since `using` replaces it. It is a bound method, for speed, because each
call draws an id."""

generator: Callable[[], random.Random] = random.Random
"""A new generator, which the operating system seeds by default. Call it as `chance.generator()`, since `using` replaces it, and do so when
the object that uses the generator is made."""


@contextmanager
def using(source: random.Random) -> Generator[None]:
    """Draw everything from `source` inside the `with` block: `bits` directly, and the seeds of new generators. A generator that was made
    before keeps its own seed. The source is the whole process's, so two blocks must not overlap in time."""
    global bits, generator
    previous = bits, generator
    bits, generator = source.getrandbits, lambda: random.Random(source.getrandbits(64))
    try:
        yield
    finally:
        bits, generator = previous
