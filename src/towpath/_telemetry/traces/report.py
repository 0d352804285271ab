"""One trace as people and programs are shown it: its hops with the phases of the critical path, who is guilty, and what is not known.

A terminal, a page and JSON print the same `Report`. A hop is a call between two processes, with its attempts and what its server recorded,
or the root.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from towpath._core.errors import Code
from towpath._telemetry.flight_recorder.row import KEPT, REMOTE, SAMPLED, UNKNOWN_CODE
from towpath._telemetry.traces.critical_path import Phase, critical_path, received_at, start_in
from towpath._telemetry.traces.model import Attempt, ClientCall, ReceivedCall, Root, Trace

HopPhase = tuple[str, str, str]
"""The service of a hop (or its address, if no server was seen), the method, and the phase."""

BESIDE: Final = "beside it"
"""Of a hop that is not on the critical path."""
AFTERWARDS: Final = "afterwards"
"""Of a call that its handler did not wait for."""


@dataclass(slots=True)
class Part:
    """A phase of one hop on the critical path, or the hop beside it."""

    phase: str
    spans: list[tuple[int, int]]
    """From when to when, in microseconds after the beginning of the root."""
    usual: float | None = None
    """The median of the microseconds of this hop and phase in other traces; None if there are no others."""
    on_path: bool = True

    @property
    def took(self) -> int:
        """Microseconds."""
        return sum(end - start for start, end in self.spans)

    @property
    def excess(self) -> float:
        """How much more than usual it took."""
        return self.took - (self.usual or 0)


@dataclass(slots=True)
class Hop:
    """One hop of a trace."""

    service: str
    """The service that received the call; the address that was called, if its row was not seen."""
    method: str
    code: int
    depth: int
    parent: int | None
    """The index of the hop that made the call."""
    start: int
    """Microseconds after the beginning of the root. What comes from another process is placed in the middle of its wire."""
    end: int
    attempts: int
    seen: bool
    """Whether a row of the server was seen."""
    parts: list[Part] = field(default_factory=list[Part])
    notes: list[str] = field(default_factory=list[str])

    @property
    def on_path(self) -> int:
        """The microseconds of the hop on the critical path."""
        return sum(part.took for part in self.parts if part.on_path)


@dataclass(slots=True)
class Report:
    """A trace in words and figures."""

    trace_id: str
    began_at: float
    """The time of day in seconds since 1970, as the first process believed."""
    duration: int
    """Microseconds."""
    hops: list[Hop]
    """In the order in which they were made, each below the one that made it. The first is the root."""
    kept: bool
    sampled: bool
    compared: int
    """How many other traces `usual` comes from."""
    follow_ups: int
    """Further roots of the trace, which are not shown."""
    notes: list[str]
    foreign: bool = False
    """Whether it was made of another system's spans, of which nobody knows whether they were sampled or kept."""

    @property
    def guilty(self) -> tuple[int, Part] | None:
        """The hop and its phase that took the most beyond what is usual. None if that is less than a tenth of the trace, and without
        other traces, which say what is usual."""
        if not self.compared:
            return None
        unusual = self._most_unusual()
        return unusual if unusual is not None and unusual[1].excess * 10 >= self.duration else None

    @property
    def failed(self) -> int | None:
        """The hop from which the status of a failed trace came: the deepest of a chain from the root whose hops all ended with it; where
        two beside each other did, the one that ended last. None of a trace that did not fail."""
        code = self.hops[0].code
        if code in (0, UNKNOWN_CODE):
            return None
        last: dict[int | None, int] = {}
        for index, hop in enumerate(self.hops):
            if hop.code == code and (hop.parent not in last or hop.end > self.hops[last[hop.parent]].end):
                last[hop.parent] = index
        found = 0
        while found in last:
            found = last[found]
        return found

    @property
    def is_slower(self) -> bool:
        """Whether all phases together took more than usual, by a tenth of the trace or more."""
        return bool(self.compared) and self.excess * 10 >= self.duration > 0

    @property
    def excess(self) -> float:
        """How many microseconds more than usual all phases took together."""
        return sum(part.excess for _, part in self._on_path())

    @property
    def marked(self) -> tuple[int, Part] | None:
        """The hop and its phase to look at first: the guilty one; else the one that took the most beyond what is usual, if the trace took
        longer than usual; else the one that took the most. None of a trace that took no time."""
        if self.is_slower or self.guilty is not None:
            return self._most_unusual()
        return max(self._on_path(), key=lambda found: found[1].took, default=None)

    @property
    def answered(self) -> int:
        """Of how many hops a row of the server was seen."""
        return sum(hop.seen for hop in self.hops)

    def _most_unusual(self) -> tuple[int, Part] | None:
        return max(self._on_path(), key=lambda found: found[1].excess, default=None)

    def _on_path(self) -> Iterator[tuple[int, Part]]:
        return ((index, part) for index, hop in enumerate(self.hops) for part in hop.parts if part.on_path)


def report(trace: Trace, usual: Mapping[HopPhase, float] | None = None, compared: int = 0) -> Report:
    """Say of `trace` what is known. `usual` has the medians of `compared` other traces."""
    root = trace.root
    hops, place, flags = _hops(root)
    parts: dict[tuple[int, str], Part] = {}
    for segment in critical_path(root):
        node = segment.call or segment.received or root
        index = place[node]
        part = parts.get((index, segment.phase))
        if part is None:
            usually = usual.get((*named(node), segment.phase), 0.0) if usual is not None and compared else None
            part = parts[index, segment.phase] = Part(segment.phase, [], usually)
            hops[index].parts.append(part)
        if part.spans and part.spans[-1][1] == segment.start:
            part.spans[-1] = (part.spans[-1][0], segment.end)
        else:
            part.spans.append((segment.start, segment.end))
    for hop in hops:
        if not hop.parts:
            parent = hops[hop.parent or 0]
            late = hop.end > parent.end and hop.seen
            hop.parts.append(Part(AFTERWARDS if late else BESIDE, [(hop.start, hop.end)], on_path=False))
    return Report(
        trace.trace_id,
        root.began_at,
        root.duration,
        hops,
        bool(flags & KEPT),
        bool(flags & SAMPLED),
        compared,
        len(trace.roots) - 1,
        list(_notes(trace, hops)),
    )


def hop_phases(root: Root) -> dict[HopPhase, int]:
    """The microseconds of each hop and phase on the critical path of a trace."""
    total: dict[HopPhase, int] = {}
    names: dict[Root, tuple[str, str]] = {}
    for start, end, phase, received, call, _ in critical_path(root):
        node = call or received or root
        name = names.get(node)
        if name is None:
            name = names[node] = named(node)
        key = (*name, phase)
        total[key] = total.get(key, 0) + end - start
    return total


def named(node: Root) -> tuple[str, str]:
    """The service and the method of a hop."""
    if isinstance(node, ReceivedCall):
        return node.service, node.method
    answering = node.answering
    if answering is not None and answering.received is not None:
        return answering.received.service, node.method
    seen = next((attempt.received for attempt in node.attempts if attempt.received is not None), None)
    if seen is not None:
        return seen.service, node.method
    return (answering.peer if answering is not None and answering.peer else "?"), node.method


def _hops(root: Root) -> tuple[list[Hop], dict[Root, int], int]:
    """The hops of a trace in order, the hop of each received call and client's call, and the flags of any of them."""
    hops: list[Hop] = []
    place: dict[Root, int] = {}
    flags = 0
    waiting: list[tuple[Root, int, int | None, int]] = [(root, 0, None, 0)]  # with the root's time at its base, its caller and its depth
    while waiting:
        node, base, parent, depth = waiting.pop()
        index = len(hops)
        place[node] = index
        service, method = named(node)
        if isinstance(node, ReceivedCall):
            hops.append(Hop(service, method, node.code, depth, parent, base, base + node.duration, 1, seen=True))
            within = [(node, base)]
        else:
            hop = Hop(service, method, node.code, depth, parent, base, base + node.duration, len(node.attempts), seen=False)
            hops.append(hop)
            within = list(_received(node, base))
            hop.seen = bool(within)
            hop.notes += _of_attempts(node)
        below: list[tuple[Root, int, int | None, int]] = []
        for received, at in within:
            place[received] = index
            flags |= received.flags
            if received.reason:
                hops[index].notes.append(f"rejected by {received.reason}")
            below += [(call, at + start_in(received, call), index, depth + 1) for call in received.calls]
        waiting += reversed(below)
    return hops, place, flags


def _received(call: ClientCall, base: int) -> Iterator[tuple[ReceivedCall, int]]:
    """What servers recorded of a call, each with the root's time at its base."""
    for attempt in call.attempts:
        for received in (attempt.received, *attempt.also_received):
            if received is not None:
                yield received, base + received_at(attempt, received)[0]


def _of_attempts(call: ClientCall) -> Iterator[str]:
    answering = call.answering
    for attempt in call.attempts:
        if len(call.attempts) > 1 and attempt is not answering:
            yield f"#{attempt.number + 1} {_end(attempt)}"
        elif attempt.reason:
            yield f"rejected by {attempt.reason}"
        if attempt.also_received:
            yield f"#{attempt.number + 1} was received {1 + len(attempt.also_received)} times"
    if call.reason and not call.attempts:
        yield f"rejected by {call.reason}"
    if call.missing_attempts:
        yield f"{call.missing_attempts} of {call.made} attempts not seen"


def _end(attempt: Attempt) -> str:
    name = code_name(attempt.code)
    if not attempt.peer:
        return name
    return f"{name} from {attempt.peer}" if attempt.flags & REMOTE or attempt.code == 0 else f"{name} at {attempt.peer}"


def code_name(code: int) -> str:
    """The name of a status."""
    if code == 0:
        return "OK"
    return Code(code).name if code in _CODES else "no status"


_CODES: Final = frozenset(Code)


def _notes(trace: Trace, hops: list[Hop]) -> Iterator[str]:
    if any(part.phase == Phase.WIRE for hop in hops for part in hop.parts):
        yield "wire: its two directions cannot be told apart, so each is shown as half of it"
    unseen = sorted({hop.service for hop in hops if not hop.seen and hop.attempts})
    if unseen:
        unseen = ["a server without a name" if name == "?" else name for name in unseen]
        shown = ", ".join(unseen[:5]) + (f" and {len(unseen) - 5} more" if len(unseen) > 5 else "")
        yield f"no row of {shown} was seen: that part is shown from its caller"
    if isinstance(trace.root, ReceivedCall) and trace.root.in_circle:
        yield "the rows say that these calls made each other in a circle; the longest is shown as the first"
    others = len(trace.roots) - 1
    if others:
        longest = trace.roots[1]
        service, method = named(longest)
        took = f"{longest.duration / 1000:.1f} ms"
        yield f"{others} more in this trace, whose callers were not seen or did not wait; the longest: {service} {method}, {took}"
