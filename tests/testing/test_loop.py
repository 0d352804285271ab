"""Time leaps, nothing real is let in, and who waits for ever is named."""

import asyncio
import socket

import pytest

from towpath.testing import Deadlock, Simulation, VirtualLoop, simulate


def test_a_deadlock_lists_who_waits_and_where() -> None:
    async def stuck(simulation: Simulation) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"wait at .*locks\.py"):
        simulate(stuck)


def test_a_blocking_function_runs_at_once() -> None:
    async def main(simulation: Simulation) -> int:
        with pytest.raises(ValueError, match="invalid literal"):
            await asyncio.to_thread(int, "x")
        return await asyncio.to_thread(int, "7")

    assert simulate(main) == 7


def test_real_sockets_are_refused() -> None:
    async def main(simulation: Simulation) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            with pytest.raises(RuntimeError, match="no real sockets"):
                await asyncio.get_running_loop().sock_recv(ours, 1)
            with pytest.raises(TypeError, match="simulated socket"):
                await asyncio.start_server(print, sock=ours)

    simulate(main)


def test_a_loop_without_a_network_says_where_to_get_one() -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, pytest.raises(RuntimeError, match="simulate"):
        runner.run(asyncio.open_connection("a", 1))
