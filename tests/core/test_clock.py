import time

import pytest

from towpath._core import clock


def test_the_default_clock_is_that_of_the_event_loops() -> None:
    before = time.monotonic()
    assert before <= clock.now() <= time.monotonic()


def test_a_test_puts_its_own_clock_under_everything() -> None:
    with clock.using(lambda: 5.0):
        assert clock.now() == 5.0
        with clock.using(lambda: 7.0):
            assert clock.now() == 7.0
        assert clock.now() == 5.0
    assert clock.now() != 5.0


def test_the_former_clock_returns_when_the_block_raises() -> None:
    with pytest.raises(LookupError), clock.using(lambda: 5.0):
        raise LookupError
    assert clock.now() != 5.0
