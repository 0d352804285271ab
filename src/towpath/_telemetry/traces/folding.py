"""Which hops of a trace are shown one by one. A trace of 200,000 calls is shown as those that took time, and how many are like the rest."""

from dataclasses import dataclass
from typing import Final

from towpath._telemetry.traces.report import Hop, Report

MOST: Final = 12
"""Hops that are shown one by one."""


@dataclass(slots=True, frozen=True)
class Shown:
    """A hop that is shown, with how many of the hops above it are shown."""

    index: int
    hop: Hop
    depth: int


@dataclass(slots=True, frozen=True)
class Fold:
    """Hops right behind each other that are shown as one line."""

    count: int
    took: int
    """Their microseconds on the critical path."""
    longest: int
    """The most of any of them."""
    service: str
    """What all of them are; empty if they differ."""
    method: str
    depth: int


def folded(report: Report, most: int = MOST) -> list[Shown | Fold]:
    """All hops, or the `most` that took the most of the critical path, or else the most time, with folds in place of the others."""
    hops = report.hops
    shown = {0}
    if len(hops) <= most:
        shown.update(range(len(hops)))
    else:
        marked = report.marked
        if marked is not None:
            shown.add(marked[0])
        order = sorted(range(1, len(hops)), key=lambda index: (hops[index].on_path, hops[index].end - hops[index].start), reverse=True)
        for index in order:
            if len(shown) >= most:
                break
            shown.add(index)
    depths = list[int]()
    lines = list[Shown | Fold]()
    hidden = list[int]()
    for index, hop in enumerate(hops):
        depths.append(0 if hop.parent is None else depths[hop.parent] + (hop.parent in shown))
        if index not in shown:
            hidden.append(index)
            continue
        if hidden:
            lines.append(_fold(hops, hidden, depths))
            hidden = []
        lines.append(Shown(index, hop, depths[index]))
    if hidden:
        lines.append(_fold(hops, hidden, depths))
    return lines


def _fold(hops: list[Hop], hidden: list[int], depths: list[int]) -> Fold:
    took = [hops[index].on_path for index in hidden]
    names = {(hops[index].service, hops[index].method) for index in hidden}
    service, method = names.pop() if len(names) == 1 else ("", "")
    return Fold(len(hidden), sum(took), max(took), service, method, min(depths[index] for index in hidden))
