"""One measurement: a fresh server and a fresh client of one peer, each on its core."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from bench.measuring.load import Window
from bench.measuring.neighbours import TOLERATED, Neighbours
from bench.peers import Peer
from bench.places import LOGS
from bench.processes.children import PeerError, child, completed, cores, ready

_MARGIN: Final = 12.0
"""Seconds more than its length that a window may take, with starting and warming up: time for calls to reach their 5 s and say so."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one client process reported: the versions that it ran and a window per level of concurrency. `others` is the share of the two
    cores that was not ours meanwhile, see `bench.measuring.neighbours`."""

    version: str
    windows: dict[int, Window]
    others: float | None = None


_ATTEMPTS: Final = 5
"""How often a round is measured at the most while other programs, or the hypervisor, take too much of the cores."""


async def least_disturbed(measure: Callable[[], Awaitable[Round]]) -> Round:
    """Measure until a round was left alone, five times at the most, and give the one that was disturbed least. What is chosen by is what
    others took, never how fast the peer was."""
    best = await measure()
    for _ in range(_ATTEMPTS - 1):
        if (best.others or 0.0) <= TOLERATED:
            break
        best = min(best, await measure(), key=lambda each: each.others or 0.0)
    return best


async def measure_round(peer: Peer, seconds: float) -> Round:
    """Start, warm, measure and stop `peer`; raises PeerError. Takes a little more than two windows of `seconds`."""
    server_core, client_core = cores()
    neighbours = Neighbours()
    server_log, client_log = LOGS / f"{peer.short}.server.log", LOGS / f"{peer.short}.client.log"
    argv, environment = peer.server()
    async with child(argv, core=server_core, environment=environment, log=server_log) as server:
        address = await ready(server, server_log)
        argv, environment = peer.client(address, seconds)
        levels = peer.work.levels
        limit = len(levels) * (seconds + _MARGIN)
        report = await completed(argv, environment=environment, log=client_log, limit=limit, core=client_core)
    return replace(read_report(report, levels), others=neighbours.share())


def read_report(report: bytes, levels: tuple[int, ...]) -> Round:
    """What a client printed, for these levels; raises PeerError."""
    try:
        data = json.loads(report)
        windows = {window.in_flight: window for window in map(Window.from_json, data["windows"])}
    except (ValueError, KeyError, TypeError) as error:
        raise PeerError(f"the client's report is not understood: {error!r}") from error
    if set(windows) != set(levels) or not all(window.latency.total for window in windows.values()):
        raise PeerError("the client's report lacks a window, or no call was answered in one")
    return Round(version=data["version"], windows=windows)
