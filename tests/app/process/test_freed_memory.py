"""A process gives back memory that is free once a burst is over, and only then."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.echo_service import PATIENCE
from towpath._app.process.freed_memory import GROWN, TOO_MUCH, FreedMemory
from towpath.testing import Simulation, simulate

MB = 1 << 20


def given_back(resident: Iterable[int]) -> list[int]:
    """At which looks a process gives memory back that has so many bytes at each of them. It has 40 MB after it has given some back."""
    sizes, trimmed, looks = list(resident), list[int](), 0

    def size() -> int:
        return 40 * MB if trimmed and trimmed[-1] == looks else sizes[min(looks, len(sizes) - 1)]

    async def main(_: Simulation) -> None:
        nonlocal looks
        with FreedMemory(lambda: trimmed.append(looks), size) as memory:
            memory.start()
            for _ in sizes[1:]:
                looks += 1
                await asyncio.sleep(1)

    simulate(main)
    return trimmed


def test_a_process_that_has_grown_and_grows_no_more_gives_back_what_is_free():
    assert given_back([40 * MB, 60 * MB, 80 * MB, 80 * MB, 80 * MB + GROWN]) == [3]


def test_a_process_that_grows_by_little_or_shrinks_is_left_alone():
    assert given_back([40 * MB, 40 * MB + GROWN - 1, 40 * MB + GROWN - 1, 38 * MB, 38 * MB + GROWN - 1, 38 * MB + GROWN - 1]) == []


def test_a_process_that_has_grown_by_very_much_is_left_alone():
    size = 41 * MB + TOO_MUCH
    assert given_back([40 * MB, size, size, size, size]) == []


def test_each_burst_is_given_back():
    assert given_back([40 * MB, 60 * MB, 60 * MB, 40 * MB, 60 * MB, 60 * MB]) == [2, 5]


def test_a_context_that_was_not_started_does_nothing():
    with FreedMemory():
        pass


HOLES = """
import asyncio
from towpath._app.process.freed_memory import FreedMemory, _resident
async def main():
    with FreedMemory() as memory:
        memory.start()
        start = _resident()
        pairs = [(b"x" * 120_000, bytes(5_000)) for _ in range(500)]
        live_on = [small for _, small in pairs]
        del pairs
        assert _resident() - start > 40_000_000, "nothing is left free within the process"
        while _resident() - start > 10_000_000:
            await asyncio.sleep(0.1)
        print("given back")
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is glibc that gives memory back")
def test_what_lies_between_what_lives_on_is_given_back():
    ended = subprocess.run([sys.executable, "-c", HOLES], check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.stdout == "given back\n"
