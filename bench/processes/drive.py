"""A peer's client in a process of its own: `python -m bench.processes.drive STACK SUITE ADDRESS SECONDS`.

SUITE is a name of `bench.suites`.

Warms up, measures a window at each level of concurrency, and prints one line of JSON: `version` and `windows`. One channel or session is
used throughout, as an application would. The garbage collector is left as it is, here and in every server.
"""

import importlib
import json
import sys
from importlib.metadata import PackageNotFoundError, version

from bench import suites
from bench.measuring.load import Window, measure, warm_up
from bench.processes import loop
from bench.suites import Suite


async def drive(module: str, suite: Suite, address: str, seconds: float) -> list[Window]:
    """A window for each of the suite's levels. A stack's `connect` makes the calls of its first suite, `CONNECT` those of others."""
    stack = importlib.import_module(f"bench.stacks.{module}")
    connect = getattr(stack, "CONNECT", {}).get(suite) or stack.connect
    async with connect(address) as caller:
        windows: list[Window] = []
        for in_flight in suite.levels:
            await warm_up(caller, in_flight, suite.warm_up)
            windows.append(await measure(caller, in_flight, seconds))
        return windows


def versions(module: str) -> str:
    """What was measured: each distribution of the stack with its version, and the loop."""
    stack = importlib.import_module(f"bench.stacks.{module}")
    return ", ".join([*(f"{name} {_version(name)}" for name in stack.DISTRIBUTIONS), loop.name()])


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(from source)"


def main() -> None:
    """Measure and print."""
    module, suite, address, seconds = sys.argv[1:]
    windows = loop.run(drive(module, getattr(suites, suite), address, float(seconds)))
    print(json.dumps({"version": versions(module), "windows": [window.to_json() for window in windows]}))


if __name__ == "__main__":
    main()
