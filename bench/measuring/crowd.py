"""What a crowd costs somebody who is not part of it: the latency of one client's calls while 1,000 connections hold 10 streams each, beside
what it is without them."""

import sys
from statistics import median
from typing import Final

from bench.measuring.idle import CONNECTIONS, allow_files
from bench.measuring.rounds import read_report
from bench.peers import Peer
from bench.places import LOGS
from bench.processes.children import child, completed, cores, python_environment, ready
from bench.suites import NEIGHBOUR

STREAMS: Final = 10
_ROUNDS: Final = 3


async def crowded(peer: Peer, seconds: float) -> float:
    """The 99th percentile beside the crowd as a multiple of that without it, on one server; the median of three. Raises PeerError."""
    allow_files()
    server_core, client_core = cores()
    ratios: list[float] = []
    for _ in range(_ROUNDS):
        log, held = LOGS / f"{peer.short}.crowd.log", LOGS / "crowd.log"
        argv, environment = peer.server()
        async with child(argv, core=server_core, environment=environment, log=log) as server:
            address = await ready(server, log)
            alone = await _p99(peer, address, seconds, client_core)
            argv = [sys.executable, "-m", "bench.processes.hold", address, str(CONNECTIONS), str(STREAMS)]
            async with child(argv, core=client_core, environment=python_environment(""), log=held) as holder:
                await ready(holder, held)
                ratios.append(await _p99(peer, address, seconds, client_core) / alone)
    return median(ratios)


async def _p99(peer: Peer, address: str, seconds: float, core: int | None) -> float:
    argv = [sys.executable, "-m", "bench.processes.drive", peer.module, "NEIGHBOUR", address, str(seconds)]
    log = LOGS / f"{peer.short}.neighbour.log"
    report = await completed(argv, environment=python_environment(peer.stubs), log=log, limit=seconds + 30, core=core)
    (level,) = NEIGHBOUR.levels
    return read_report(report, NEIGHBOUR.levels).windows[level].latency.percentile(99)
