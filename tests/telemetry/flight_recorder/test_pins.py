"""Which traces callers ask their servers to keep."""

import pytest

from towpath._telemetry.flight_recorder.pins import Pins, pinned

ONE, TWO = b"1" * 32, b"2" * 32


def test_each_server_is_told_once_and_of_four_traces_at_a_time() -> None:
    pins = Pins()
    traces = [b"%032x" % number for number in range(6)]
    for trace_id in (*traces, *traces):
        pins.add("a:1", trace_id)
    pins.add("b:1", ONE)
    assert (pins.take("a:1"), pins.take("a:1"), pins.take("a:1")) == (b",".join(traces[:4]), b",".join(traces[4:]), b"")
    assert pins.take("b:1") == ONE
    assert not pins.waiting


def test_what_waits_is_bounded() -> None:
    pins = Pins()
    for number in range(1000):
        pins.add("a:1", b"%032x" % number)
        pins.add(f"{number}:1", ONE)
    pins.add("", ONE)
    assert len(pins.waiting["a:1"]) == 64
    assert len(pins.waiting) == 256


def test_servers_that_are_gone_keep_no_place_from_those_that_came_for_them() -> None:
    pins = Pins()
    for number in range(300):
        pins.add(f"{number}:1", ONE)
    assert pins.take("0:1") == b""
    assert pins.take("299:1") == ONE
    pins.add("new:1", TWO)
    assert pins.take("new:1") == TWO


@pytest.mark.parametrize(
    ("told", "traces"),
    [
        (ONE, [ONE]),
        (b",".join([ONE, TWO]), [ONE, TWO]),
        (b",".join([ONE] * 5), [ONE] * 4),
        (b"", []),
        (b"x" * 32, []),
        (ONE.upper() + b"A" * 32, []),
        (b"1" * 31, []),
        (b"," * 10_000, []),
    ],
)
def test_what_is_malformed_is_left_out(told: bytes, traces: list[bytes]) -> None:
    assert list(pinned(told)) == traces
