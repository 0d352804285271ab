"""The event loop of every Python peer: uvloop where it is installed, since anybody who looks at throughput uses it, else asyncio's own."""

import asyncio
from collections.abc import Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, on uvloop if there is one."""
    runner = asyncio if find_spec("uvloop") is None else import_module("uvloop")
    return runner.run(main)


def name() -> str:
    """Which loop `run` uses, for the report."""
    return "asyncio" if find_spec("uvloop") is None else "uvloop"
