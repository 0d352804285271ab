"""The closed loop."""

import asyncio

import pytest

from bench.measuring.load import Caller, Window, measure, warm_up


class Peer:
    """Answers in the next turn of the loop and remembers how many asked at once."""

    def __init__(self):
        self.calls = self.now = self.most = self.checked = 0

    async def call(self):
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return self.calls

    def check(self, answer):
        self.checked += 1


@pytest.mark.parametrize("in_flight", [1, 64])
def test_so_many_calls_are_in_flight_and_each_is_counted(in_flight):
    peer = Peer()
    window = asyncio.run(measure(Caller(peer.call, peer.check), in_flight, 0.05))
    assert peer.most == in_flight
    assert window.latency.total == peer.calls > 0
    assert window.throughput == pytest.approx(peer.calls / window.seconds)


@pytest.mark.parametrize("in_flight", [1, 64])
def test_warming_up_checks_every_answer(in_flight):
    peer = Peer()
    asyncio.run(warm_up(Caller(peer.call, peer.check), in_flight, 500))
    assert peer.checked == peer.calls == 500
    assert peer.most == in_flight


def test_a_call_that_fails_ends_the_run():
    async def fail():
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        asyncio.run(measure(Caller(fail, lambda _: None), 1, 1))


def test_a_window_survives_json():
    window = asyncio.run(measure(Caller(Peer().call, lambda _: None), 1, 0.01))
    assert Window.from_json(window.to_json()) == window
