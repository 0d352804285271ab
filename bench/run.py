"""A whole run: prepare every peer, measure all of them round by round, then memory and imports.

Rounds go over the peers in turn, so that a machine that drifts, throttles or has a busy neighbour disturbs all of them alike. A round that
was disturbed is measured again.
"""

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from rich.console import Console

from bench.golang import AbsentError
from bench.measuring.crowd import crowded
from bench.measuring.idle import idle_bytes
from bench.measuring.rounds import least_disturbed, measure_round
from bench.measuring.startup import import_seconds
from bench.measuring.transcoding import transcoder
from bench.peers import BARE, Peer
from bench.processes.children import PeerError
from bench.reporting.figures import Figures
from bench.stubs import prepare

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much to measure: `seconds` is the length of each window, `imports` how often each import is timed."""

    peers: tuple[Peer, ...]
    rounds: int
    seconds: float
    imports: int


async def run(plan: Plan, console: Console) -> list[Figures]:
    """Carry `plan` out, one pair of processes at a time. A peer that fails is left out of the rest of the run."""
    figures = {peer: Figures(name=peer.name, unary=peer.suite == "UNARY") for peer in plan.peers}
    for peer, own in figures.items():
        await _step(console, own, "preparing", prepare(peer))
    for number in range(plan.rounds):
        first = number % len(plan.peers)  # each round begins with another peer, so that none always comes first
        for peer in plan.peers[first:] + plan.peers[:first]:
            own = figures[peer]
            work = least_disturbed(partial(measure_round, peer, plan.seconds))
            measured = await _step(console, own, f"round {number + 1} of {plan.rounds}", work)
            if measured is not None:
                own.rounds.append(measured)
    for peer, own in figures.items():
        if peer.http2:
            own.idle_bytes = await _step(console, own, "idle connections", idle_bytes(peer), needed=peer.name == BARE)
        if peer.imports:
            own.import_seconds = await _step(console, own, "import", import_seconds(peer, plan.imports), needed=peer.name == BARE)
        if peer.name == BARE:
            own.crowded = await _step(console, own, "crowd", crowded(peer, plan.seconds), needed=False)
            own.transcoder = await _step(console, own, "transcoder", transcoder(peer), needed=False) or {}
    return list(figures.values())


async def _step(console: Console, own: Figures, what: str, work: Coroutine[Any, Any, T], *, needed: bool = True) -> T | None:
    """Do one piece of `work` unless the peer failed before; a failure is noted, and ends the peer's part if the piece was `needed`."""
    if own.failure:
        work.close()
        return None
    started = perf_counter()
    try:
        result = await work
    except PeerError as error:
        if needed:
            own.failure, own.absent = str(error), isinstance(error, AbsentError)
        else:
            own.notes.append(f"{what}: {error}")
        console.print(f"  {own.name:18} {what}: {'absent' if isinstance(error, AbsentError) else 'failed'}: {error}", markup=False)
        return None
    console.print(f"  {own.name:18} {what}: {perf_counter() - started:.1f} s", markup=False)
    return result
