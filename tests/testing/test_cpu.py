"""A processor has a capacity, and serves in order."""

import asyncio

import pytest

from towpath.testing import Cpu, Simulation, simulate


def test_two_cores_do_two_things_at_once_and_the_rest_in_order() -> None:
    async def main(simulation: Simulation) -> list[tuple[int, float]]:
        cpu, done = Cpu(cores=2), list[tuple[int, float]]()

        async def work(number: int) -> None:
            await cpu.work(1.0)
            done.append((number, round(simulation.elapsed, 6)))

        await asyncio.gather(*map(work, range(5)))
        assert cpu.busy == pytest.approx(5.0)
        return done

    assert simulate(main) == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0), (4, 3.0)]


def test_a_loop_on_a_busy_processor_is_as_late_as_its_first_waiter() -> None:
    async def main(simulation: Simulation) -> list[float]:
        cpu, lags = Cpu(), list[float]()
        lags.append(cpu.lag())
        tasks = [asyncio.create_task(cpu.work(1.0)) for _ in range(3)]
        for _ in range(3):
            await asyncio.sleep(0.75)
            lags.append(round(cpu.lag(), 6))
        tasks[2].cancel()
        lags.append(cpu.lag())
        await asyncio.gather(*tasks, return_exceptions=True)
        return lags

    assert simulate(main) == [0.0, 0.75, 1.5, 0.0, 0.0]


def test_who_is_cancelled_leaves_its_place_to_the_next() -> None:
    async def main(simulation: Simulation) -> float:
        cpu = Cpu(speed=0.5)
        tasks = [asyncio.create_task(cpu.work(1.0)) for _ in range(3)]
        await asyncio.sleep(0)
        assert cpu.queued == 2
        tasks[0].cancel()
        tasks[1].cancel()
        await tasks[2]
        return simulation.elapsed

    assert simulate(main) == pytest.approx(2.0)


@pytest.mark.parametrize(("cores", "speed"), [(0, 1.0), (1, 0.0)])
def test_a_processor_that_does_nothing_is_refused(cores: int, speed: float) -> None:
    with pytest.raises(ValueError, match="does no work"):
        Cpu(cores, speed)
