"""Spans put together to the tree of a trace.

A span says less than a row. It has no phases, and not which task made a call. So a span is a call whose handler has all of its time. The
span of a client whose children are servers' is a call, and the server's share of it is a duration: no two clocks are compared. Only where
there is no client's span between two processes do their clocks say when the call was, and the call is kept inside of its caller.

What spans leave open, or say wrongly, is told in notes and not guessed in silence: callers that are missing, spans that are their own
callers, children that end after their parents, and calls beside each other of which either may have been waited for.
"""

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from towpath._telemetry.flight_recorder.row import NOT_REACHED, REMOTE, ClientMark, ServerMark
from towpath._telemetry.traces.foreign.span import Span, SpanKind
from towpath._telemetry.traces.model import Attempt, ClientCall, ReceivedCall, Root, Trace

_CALLED: Final = (SpanKind.CLIENT, SpanKind.PRODUCER)
_RECEIVED: Final = (SpanKind.SERVER, SpanKind.CONSUMER)
_CRITICAL: Final = 2 << 3
"""The flags of a call of the usual criticality."""
_NAMED: Final = 3
"""Names in a note at most."""


class ForeignTrace(NamedTuple):
    """A trace made of spans."""

    trace: Trace
    notes: tuple[str, ...]
    """What the spans leave open or say wrongly, for people."""


def traces_of(spans: Iterable[Span]) -> list[ForeignTrace]:
    """The traces of the spans, in the order in which the first span of each came. Each span is in one of them, once."""
    by_trace: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    return [_Tree(trace_id, of_trace).trace() for trace_id, of_trace in by_trace.items()]


class _Tree:
    def __init__(self, trace_id: str, spans: Sequence[Span]) -> None:
        self._trace_id = trace_id
        self._notes: defaultdict[str, list[str]] = defaultdict(list)
        self._spans = self._checked(spans)
        self._children: defaultdict[Span | None, list[Span]] = defaultdict(list)
        self._in_circle: set[Span] = set()
        self._origin = min((span.start for span in self._spans), default=0)
        self._received: dict[Span, ReceivedCall] = {}
        self._calls: dict[Span, tuple[ClientCall, Attempt]] = {}

    def trace(self) -> ForeignTrace:
        self._find_parents()
        roots = [self._root(span) for span in self._children[None]]
        for parent, span in self._in_order():
            self._add(parent, span)
        for received in self._received.values():
            received.calls.sort(key=lambda call: call.base)
        self._note_what_is_open()
        roots.sort(key=lambda root: root.duration, reverse=True)
        notes = tuple(f"{note}: {_names(found)}" for note, found in self._notes.items())
        return ForeignTrace(Trace(self._trace_id, roots), notes)

    def _checked(self, spans: Sequence[Span]) -> list[Span]:
        """The spans without those that came twice and without time that runs backwards."""
        found: dict[tuple[str, SpanKind, int], Span] = {}
        for span in spans:
            if span.end < span.start:
                self._notes["ends before it begins, and counts as taking no time"].append(span.name)
                span.end = span.start
            key = span.span_id, span.kind, span.process
            if span.span_id and key in found:
                self._notes["came twice, and counts once"].append(span.name)
            else:
                found[key if span.span_id else ("", span.kind, -len(found) - 1)] = span
        return list(found.values())

    def _find_parents(self) -> None:
        by_id: defaultdict[str, list[Span]] = defaultdict(list)
        for span in self._spans:
            by_id[span.span_id].append(span)
        parents: dict[Span, Span | None] = {}
        for span in self._spans:
            # A client and its server may share an id, as Zipkin has it: the server's is below the client's.
            shared = [one for one in by_id[span.span_id] if one.kind in _CALLED] if span.kind in _RECEIVED and span.span_id else []
            candidates = shared or ([one for one in by_id[span.parent_id] if one is not span] if span.parent_id else [])
            if span.parent_id and not candidates:
                itself = span.parent_id == span.span_id
                note = (
                    "is its own caller, and is shown as a root"
                    if itself
                    else "has a caller that is not in the file, and is shown as a root"
                )
                self._notes[note].append(span.name)
            parents[span] = min(candidates, key=lambda one: one.kind in _CALLED and span.kind not in _RECEIVED, default=None)
        for span in self._spans:
            if span.follows and parents[span] is not None:
                self._notes["followed its caller, which did not wait for it, and is shown as a root"].append(span.name)
                parents[span] = None
        self._cut_circles(parents)
        for span in self._spans:
            self._children[parents[span]].append(span)

    def _cut_circles(self, parents: dict[Span, Span | None]) -> None:
        """Make a root of the longest span of each circle."""
        known = set[Span]()
        for span in self._spans:
            way: dict[Span, None] = {}
            at: Span | None = span
            while at is not None and at not in known and at not in way:
                way[at] = None
                at = parents[at]
            if at is not None and at in way:
                before = list(way)
                first = max(before[before.index(at) :], key=lambda one: one.duration)
                parents[first] = None
                self._in_circle.add(first)
                self._notes["is called by one that it calls, and is shown as a root"].append(first.name)
            known.update(way)

    def _in_order(self) -> Iterator[tuple[Span, Span]]:
        """Each span with its parent, which comes first."""
        waiting = list(self._children[None])
        while waiting:
            parent = waiting.pop()
            children = self._children.get(parent, [])
            for span in children:
                yield parent, span
            waiting += children

    def _is_call(self, span: Span) -> bool:
        """Whether the span is the client's side of a call, and nothing else."""
        return span.kind in _CALLED and all(child.kind in _RECEIVED for child in self._children.get(span, ()))

    def _root(self, span: Span) -> Root:
        if self._is_call(span):
            return self._call(span, self._seconds(span.start), span.duration, None)
        return self._node(span)

    def _add(self, parent: Span, span: Span) -> None:
        of_call = self._calls.get(parent)
        if parent not in self._received and of_call is not None:  # the parent is nothing but a call, so this is its server
            received, attempt = self._node(span), of_call[1]
            received.attempt = attempt
            if attempt.received is None:
                attempt.received = received
            else:
                attempt.also_received.append(received)
            return
        caller = self._received[parent]
        start = span.start if span.process == parent.process else self._inside(parent, span)
        self._call(span, self._seconds(start), span.duration, caller)
        if not self._is_call(span):
            received = self._node(span)
            received.attempt = self._calls[span][1]
            received.attempt.received = received

    def _inside(self, parent: Span, span: Span) -> int:
        """When a call began of which there is only the server's span, on its caller's clock: as both clocks have it, but inside."""
        latest = parent.end - span.duration
        start = max(parent.start, min(span.start, latest))
        if start != span.start:
            self._notes["lies outside of its caller, whose clock differs, and is moved into it"].append(span.name)
        return start

    def _seconds(self, time: int) -> float:
        return (time - self._origin) / 1e6

    def _node(self, span: Span) -> ReceivedCall:
        marks = [0] * len(ServerMark)
        marks[ServerMark.HANDLER_ENDED] = marks[ServerMark.WRITTEN] = span.duration
        received = self._received[span] = ReceivedCall(
            span.service,
            span.process,
            span.name,
            span.code,
            _CRITICAL,
            self._seconds(span.start),
            span.start / 1e6,
            0,
            (*marks, NOT_REACHED, NOT_REACHED),
            span.span_id,
            in_circle=span in self._in_circle,
        )
        return received

    def _call(self, span: Span, base: float, duration: int, caller: ReceivedCall | None) -> ClientCall:
        marks = [0] * len(ClientMark)
        marks[ClientMark.ANSWERED] = marks[ClientMark.READ] = marks[ClientMark.RESUMED] = duration
        attempt = Attempt(0, span.code, _CRITICAL | REMOTE, (*marks, NOT_REACHED, NOT_REACHED), span.span_id)
        service, process = (span.service, span.process) if caller is None else (caller.service, caller.process)
        call = ClientCall(service, process, span.name, base, span.start / 1e6, 0, [attempt], caller=caller)
        self._calls[span] = call, attempt
        if caller is not None:
            caller.calls.append(call)
        return call

    def _note_what_is_open(self) -> None:
        """Number the branches, and tell of what spans do not say."""
        for span in self._received:
            children = self._children.get(span, [])
            branches: dict[str, int] = {span.branch: 0}
            for child in children:
                self._calls[child][0].branch = branches.setdefault(child.branch, len(branches)) if child.branch else 0
                if child.process == span.process and child.end > span.end:
                    self._notes["ends after its caller, which did not wait for it"].append(child.name)
            if not any(child.branch for child in children) and (found := _ambiguous(children)):
                self._notes["began after several calls that ran beside each other; which of them it waited for, spans do not say"].append(
                    found
                )


def _ambiguous(children: Sequence[Span]) -> str:
    """The first call that began after two others had ended which ran at the same time; empty without one."""
    ends: list[int] = []
    both_ended: int | None = None
    for child in sorted(children, key=lambda span: span.start):
        if both_ended is not None and child.start >= both_ended:
            return child.name
        place = bisect_right(ends, child.start)
        if place < len(ends):
            ended = max(child.end, ends[place])
            both_ended = ended if both_ended is None else min(both_ended, ended)
        insort(ends, child.end)
    return ""


def _names(found: Sequence[str]) -> str:
    """The names, the frequent ones first."""
    counted = Counter(found).most_common()
    named = [name if count == 1 else f"{name} ({count} times)" for name, count in counted[:_NAMED]]
    return ", ".join(named) + (f" and {len(counted) - _NAMED} more" if len(counted) > _NAMED else "")
