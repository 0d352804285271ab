"""A peer's server in a process of its own: `python -m bench.processes.serve STACK`, where STACK is a module of `bench.stacks`.

Prints `ready HOST:PORT` once it listens on a free port of 127.0.0.1, and ends when its standard input closes, so that it cannot outlive
the run that started it, however that ended.
"""

import importlib
import os
import sys
import threading

from bench.processes.loop import run


def announce(address: str) -> None:
    """Tell the parent where to call."""
    print(f"ready {address}", flush=True)


def end_with_parent() -> None:
    """Read standard input until it closes, then end the process: for a thread of its own."""
    while os.read(0, 4096):
        continue
    os._exit(0)  # a thread cannot end the process otherwise, and there is nothing to save


def main() -> None:
    """Serve until the parent closes our standard input."""
    stack = importlib.import_module(f"bench.stacks.{sys.argv[1]}")
    threading.Thread(target=end_with_parent, daemon=True).start()  # blocked in a read: costs the loop nothing
    run(stack.serve(announce))


if __name__ == "__main__":
    main()
