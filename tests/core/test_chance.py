"""The library's randomness can be replaced as a whole, and comes back."""

import random

from towpath._core import chance
from towpath._core.propagation.trace import TraceContext


def drawn() -> tuple[int, float, bytes]:
    return chance.bits(64), chance.generator().random(), TraceContext.root().traceparent


def test_the_same_source_gives_the_same_draws() -> None:
    with chance.using(random.Random(7)):
        first = drawn()
    with chance.using(random.Random(7)):
        again = drawn()
    with chance.using(random.Random(8)):
        other = drawn()
    assert first == again
    assert first != other


def test_generators_made_in_one_run_differ_from_each_other() -> None:
    with chance.using(random.Random(7)):
        assert chance.generator().random() != chance.generator().random()


def test_the_source_before_comes_back() -> None:
    before = chance.bits, chance.generator
    with chance.using(random.Random(7)):
        assert chance.bits != before[0]
    assert (chance.bits, chance.generator) == before
