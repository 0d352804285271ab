"""The same experiment again and again, each with a seed of its own, on every core."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def for_each(seeds: int, run: Callable[[int], T]) -> list[T]:
    """What `run`, a function of a module, gives for 0, 1, ... `seeds` - 1. Runs are told apart by their seed alone, so that it does not
    matter which process has which."""
    if seeds == 1:
        return [run(0)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(run, range(seeds)))
