"""The age that a connection may reach."""

import random

from towpath._transport.connection_age import jittered_age


def test_the_ages_of_connections_differ_by_a_tenth_at_most():
    source = random.Random(1)
    ages = [jittered_age(100.0, source) for _ in range(1000)]
    assert 90.0 <= min(ages) < 91.0
    assert 109.0 < max(ages) <= 110.0
