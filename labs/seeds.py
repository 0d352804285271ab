"""Many runs of one experiment, each with a seed of its own, on all cores."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def for_each(seeds: int, run: Callable[[int], T]) -> list[T]:
    """The results of `run` for the seeds 0, 1, ... `seeds` - 1. `run` has to be a function of a module. It depends on its seed alone, so
    any process may have any seed."""
    if seeds == 1:
        return [run(0)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(run, range(seeds)))
