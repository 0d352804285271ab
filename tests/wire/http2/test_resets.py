"""Whom the budget of resets stops, and whom it must not."""

from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.http2.resets import ResetBudget

BURST = 1000
RATE = 100.0


class Client:
    """Opens streams and resets them, at a time that the test holds in its hand."""

    def __init__(self, burst: int = BURST, rate: float = RATE) -> None:
        self.budget = ResetBudget(burst, rate)
        self.now = 1e6
        self.last = -1

    def open(self, count: int = 1) -> range:
        """So many streams; their ids."""
        first = self.last + 2
        self.last += 2 * count
        return range(first, self.last + 1, 2)

    def reset(self, stream_id: int) -> bool:
        return self.budget.spend(stream_id, self.last, self.last + 1 >> 1, self.now, None)


def taken_back(client: Client, most: int = 100_000) -> int:
    """How many calls it may take back in a row."""
    return next(count for count in range(most) if not client.reset(client.open()[0]))


def test_who_takes_everything_back_at_once_is_stopped() -> None:
    assert BURST <= taken_back(Client()) <= 2 * BURST


def test_opening_many_streams_first_gains_nothing() -> None:
    client = Client()
    count = 0
    while all(client.reset(stream_id) for stream_id in client.open(256)):
        count += 256
    assert count <= 2 * BURST


def test_what_was_spent_comes_back_with_time_and_no_more_than_that() -> None:
    client = Client()
    taken_back(client)
    client.now += 1.0
    assert RATE <= taken_back(client) <= 2 * RATE + 1
    client.now += 1e6
    assert BURST <= taken_back(client) <= 2 * BURST


@given(st.lists(st.integers(1, 256), max_size=200))
def test_who_takes_back_half_of_its_calls_goes_on_for_ever(batches: list[int]) -> None:
    client = Client(burst=128, rate=0)
    for size in batches:
        assert all(client.reset(stream_id) for stream_id in client.open(size)[: size // 2])


@given(st.floats(0.1, 10.0), st.integers(1, 256))
def test_a_storm_of_deadlines_is_no_attack(timeout: float, in_flight: int) -> None:
    """An overloaded server answers nothing for ten deadlines: each call is taken back when its time has passed, and another one made."""
    client = Client()
    under_way = client.open(in_flight)
    for _ in range(10):
        client.now += timeout
        following = client.last + 2
        for stream_id in under_way:
            client.open()
            assert client.reset(stream_id)
        under_way = range(following, client.last + 1, 2)


def test_the_same_spread_over_time_is_no_attack() -> None:
    client = Client()
    for stream_id in range(1, 100_001, 2):
        client.open()
        client.now += 0.1 / 256
        if stream_id > 2 * 256:
            assert client.reset(stream_id - 2 * 256)


def test_to_wait_for_less_gains_nothing() -> None:
    client = Client()
    count = 0
    under_way = client.open(256)
    client.now += 0.04
    while all(client.reset(stream_id) for stream_id in under_way):
        count += 256
        under_way = client.open(256)
        client.now += 0.04
    assert count < 3 * BURST
