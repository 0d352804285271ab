"""How long importing a package takes: what every command, test run and new pod waits for.

A fresh interpreter that imports it, less one that imports nothing, the two alternating; medians. Files are in the page cache and byte code
is compiled by a first run that does not count.
"""

import sys
from statistics import median
from time import perf_counter
from typing import Final

from bench.peers import Peer
from bench.places import LOGS
from bench.processes.children import completed, cores, python_environment

# A directory without __init__.py imports in no time, as a namespace: that is not a figure.
_REAL: Final = "import sys; {package}.__file__ or sys.exit('{package} is a directory without __init__.py: there is nothing to import')"


async def import_seconds(peer: Peer, runs: int) -> float:
    """Seconds that `import` of what `peer` needs adds to the start of an interpreter; raises PeerError if it cannot be imported."""
    statement = f"import {peer.imports}"
    await _seconds(peer, f"{statement}\n{_REAL.format(package=peer.imports.partition('.')[0].partition(',')[0])}")
    bare: list[float] = []
    full: list[float] = []
    for _ in range(runs):
        bare.append(await _seconds(peer, ""))
        full.append(await _seconds(peer, statement))
    return max(0.0, median(full) - median(bare))


async def _seconds(peer: Peer, statement: str) -> float:
    started = perf_counter()
    argv = [sys.executable, "-c", statement]
    await completed(argv, environment=python_environment(peer.stubs), log=LOGS / f"{peer.short}.import.log", limit=60, core=cores()[0])
    return perf_counter() - started
