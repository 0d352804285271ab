"""Where the time of a trace went: a chain of causes, from the end of its root back to the beginning.

The walk begins at the end of a received call and goes back on the clock of its process. At each instant the cause is the call, made and
awaited by the handler, that ended last; what no call explains is the handler's own time. A call made by another task than the handler's is
preceded only by calls of its own task or of the handler's: two tasks of a `gather` run beside each other, and one that began later did not
wait for the other. Then the walk goes into the call. What its attempt took less what the server took is the wire's, in two halves, because
its two directions cannot be told apart. Only durations of one clock are used, so clocks may differ by hours, and may jump.

The result fills the root from its beginning to its end without a gap or an overlap. It is computed without recursion, so the depth of a
trace has no limit.
"""

from collections.abc import Sequence
from enum import StrEnum
from operator import itemgetter, le
from typing import Final, NamedTuple

from towpath._telemetry.flight_recorder.row import NOT_REACHED, REMOTE, ClientMark, ServerMark
from towpath._telemetry.traces.model import Attempt, ClientCall, ReceivedCall, Root


def rounding(microseconds: int) -> int:
    """By how many microseconds marks of one process may seem to be in the wrong order: each was cut to whole microseconds, and in its row
    it has 24 bits."""
    return 2 + (microseconds >> 23)


class Phase(StrEnum):
    """What a call did, or waited for."""

    REQUEST = "request"
    """The rest of the request was read."""
    QUEUE = "queue"
    """Admission had not let the call in."""
    LOOP_DELAY = "loop delay"
    """The call could go on, and the event loop did something else."""
    LAYERS = "layers"
    """Layers of the server, before the handler."""
    HANDLER = "handler"
    """The handler itself: nothing that it called was awaited."""
    ANSWER = "answer"
    """From the handler's end until the answer was handed to the connection."""
    CLIENT = "client layers"
    """Layers of the client, before an attempt and after it."""
    BACK_OFF = "back-off"
    """The wait between a failed attempt and the next one."""
    HEDGE = "hedge delay"
    """The wait before a hedge, while the attempt before it was under way."""
    CONNECTION = "connection wait"
    """The attempt waited for a place on a connection."""
    SEND = "send"
    """The request was encoded and handed to the connection."""
    WIRE = "wire"
    """What the client waited for an answer beyond what the server had the call: both directions, and what queues in kernels and proxies."""
    NOT_SEEN = "not seen"
    """Wire and server, where the server's row was not seen; or attempts whose rows were not."""


class Segment(NamedTuple):
    """A piece of the critical path."""

    start: int
    """Microseconds after the beginning of the root."""
    end: int
    phase: Phase
    received: ReceivedCall | None
    """The call in whose server the time passed; None if it passed between processes, in a client's layers, or is not seen."""
    call: ClientCall | None
    """The call on whose way the time passed; None in a server's phases."""
    attempt: Attempt | None
    """The attempt of `call`; None for what is between attempts."""

    @property
    def duration(self) -> int:
        """Microseconds."""
        return self.end - self.start


class _Piece(NamedTuple):
    """What is still to be walked: a call or attempt, of whose own time only `start` to `end` counts."""

    node: ReceivedCall | ClientCall | Attempt
    start: int
    end: int
    shift: int
    """What to add to the node's own time to get that of the root."""
    call: ClientCall | None = None
    """The call of an attempt."""


def critical_path(root: Root) -> list[Segment]:
    """The pieces of the critical path in the order of time. The first begins at 0, each of the others where the one before it ends, and the
    last ends at the root's duration."""
    walk = _Walk()
    walk.waiting.append(_Piece(root, 0, root.duration, 0))
    while walk.waiting:
        piece = walk.waiting.pop()
        node = piece.node
        if isinstance(node, ReceivedCall):
            walk.through_received(piece, node)
        elif isinstance(node, ClientCall):
            walk.through_call(piece, node)
        else:
            walk.through_attempt(piece, node)
    walk.found.sort(key=itemgetter(0))
    return walk.found


def received_at(attempt: Attempt, received: ReceivedCall) -> tuple[int, int, int]:
    """Where the received call lies in its attempt, on the clock of the client's call: what to add to the server's time, and from when to
    when it counts."""
    start, end = attempt.window
    duration = received.duration
    answered = attempt.code == 0 or attempt.flags & REMOTE
    if duration > end - start and answered:
        # A server begins when the head is there, and a streamed request ends later than that.
        start = min(start, max(attempt.connected, end - duration))
    spare = end - start - duration
    if spare >= 0:
        shift = start + spare // 2
        return shift, shift, shift + duration
    # The server had the call for longer than the client waited. If the client gave up, what came then counts for nothing; else it is the
    # beginning that does not.
    return (end - duration if answered else start), start, end


def server_phases(received: ReceivedCall) -> list[tuple[int, int, Phase]]:
    """The phases of a received call on its own clock, without what it called: from its base to its end, without a gap.

    A call that ended early did not come to all marks. It was in the phase that the first of those would have ended.
    """
    marks, end = received.marks, received.duration
    if all(map(le, _EARLIEST + marks[:5], marks[:6])) and marks[5] == end:  # the plain case
        at = 0
        phases = list[tuple[int, int, Phase]]()
        for (_, phase), until in zip(_SERVER, marks, strict=False):
            if until > at:
                phases.append((at, until, phase))
                at = until
        return phases
    reached = [(min(marks[mark], end), mark, phase) for mark, phase in _SERVER if marks[mark] != NOT_REACHED]
    reached.sort(key=itemgetter(0))
    phases = list[tuple[int, int, Phase]]()
    at, latest = 0, int(ServerMark.RECEIVED)
    for until, mark, phase in reached:
        if until > at:
            phases.append((at, until, _SERVER[latest + 1][1] if mark > latest + 1 else phase))
            at = until
        latest = max(latest, mark)
    if at < end:
        phases.append((at, end, Phase.HANDLER))
    return phases


_SERVER: Final = (
    (ServerMark.RECEIVED, Phase.REQUEST),
    (ServerMark.ADMITTED, Phase.QUEUE),
    (ServerMark.STARTED, Phase.LOOP_DELAY),
    (ServerMark.HANDLER_BEGAN, Phase.LAYERS),
    (ServerMark.HANDLER_ENDED, Phase.HANDLER),
    (ServerMark.WRITTEN, Phase.ANSWER),
)
"""Each mark with the phase that it ends."""
_EARLIEST: Final = (0,)


def start_in(received: ReceivedCall, call: ClientCall) -> int:
    """When a call began, on the clock of the received call that it was made for."""
    return round((call.base - received.base) * 1e6)


def awaited(received: ReceivedCall) -> list[tuple[int, int, ClientCall]]:
    """The calls of a received call that its handler can have waited for, with start and end on its clock; what ended last is the last, and
    of those that ended together the longest."""
    spans = list[tuple[int, int, ClientCall]]()
    last = received.duration
    cut = rounding(last)
    limit, last = received.handler_ended + cut, last + cut
    for call in received.calls:
        start = start_in(received, call)
        end = start + call.duration
        if end <= limit or (end <= last and call.branch == received.branch):
            spans.append((start, end, call))
    spans.sort(key=lambda span: (span[1], -span[0]))
    return spans


class _Walk:
    """What was found of a path, and what is still to be walked."""

    __slots__ = ("found", "waiting")

    def __init__(self) -> None:
        self.found: Final[list[Segment]] = []
        self.waiting: Final[list[_Piece]] = []

    def through_received(self, piece: _Piece, received: ReceivedCall) -> None:
        at, branch = received.duration, received.branch
        own = list[tuple[int, int]]()
        for start, end, call in reversed(awaited(received)) if received.calls else ():
            if end > at + rounding(end - start) or (branch != received.branch and call.branch not in {branch, received.branch}):
                continue
            if at <= piece.start:
                break
            until = min(end, at)
            own.append((until, at))
            self._into(piece, call, max(start, 0), until, start)
            at, branch = max(0, min(start, until)), call.branch
        own.append((0, at))
        phases = server_phases(received)
        for start, end in own:
            while phases and phases[-1][0] >= end:
                phases.pop()
            for phase_start, phase_end, phase in reversed(phases):
                if phase_end <= start:
                    break
                self._spent(piece, max(start, phase_start), min(end, phase_end), phase, (received, None, None))

    def through_call(self, piece: _Piece, call: ClientCall) -> None:
        at, later = call.duration, call.answering
        if later is None:
            self._spent(piece, 0, at, Phase.NOT_SEEN if call.made else Phase.CLIENT, (None, call, None))
            return
        self._spent(piece, later.ended, at, Phase.CLIENT, (None, call, None))
        self._into(piece, later, later.began, min(later.ended, at), 0, call=call)
        at = min(at, later.began)
        if len(call.attempts) > 1:
            at, later = self._before(piece, call, at, later)
        self._spent(piece, 0, at, Phase.NOT_SEEN if later.number else Phase.CLIENT, (None, call, None))

    def _before(self, piece: _Piece, call: ClientCall, at: int, later: Attempt) -> tuple[int, Attempt]:
        """Walk through the attempts before `later`, which began at `at`."""
        for attempt in sorted(call.attempts, key=lambda attempt: attempt.began, reverse=True):
            if attempt.began >= later.began:
                continue
            if attempt.ended > later.began + rounding(attempt.ended):  # it was under way when the later one began
                self._spent(piece, attempt.began, at, Phase.HEDGE, (None, call, None))
            else:
                between = Phase.BACK_OFF if later.number - attempt.number <= 1 else Phase.NOT_SEEN
                self._spent(piece, attempt.ended, at, between, (None, call, None))
                self._into(piece, attempt, attempt.began, min(attempt.ended, at), 0, call=call)
            at, later = min(at, attempt.began), attempt
        return at, later

    def through_attempt(self, piece: _Piece, attempt: Attempt) -> None:
        call, received = piece.call, attempt.received
        start, end = attempt.window
        connected = attempt.connected
        if received is not None:
            shift, first, last = received_at(attempt, received)
            start = min(start, first)
            self._spent(piece, start, first, Phase.WIRE, (None, call, attempt))
            self._into(piece, received, first, last, shift)
            self._spent(piece, last, end, Phase.WIRE, (None, call, attempt))
        elif attempt.marks[ClientMark.WRITTEN] != NOT_REACHED:
            self._spent(piece, start, end, Phase.NOT_SEEN, (None, call, attempt))
        else:  # no request went out
            start = end = attempt.ended
            connected = end if attempt.marks[ClientMark.CONNECTED] == NOT_REACHED else connected
        connected = min(connected, start)
        self._spent(piece, attempt.began, connected, Phase.CONNECTION, (None, call, attempt))
        self._spent(piece, connected, start, Phase.SEND, (None, call, attempt))
        caller = None if call is None else call.caller
        self._spent(piece, end, attempt.ended, Phase.LOOP_DELAY, (caller, None if caller is not None else call, attempt))

    def _spent(
        self, piece: _Piece, start: int, end: int, phase: Phase, whose: tuple[ReceivedCall | None, ClientCall | None, Attempt | None]
    ) -> None:
        """The time from `start` to `end`, as far as it lies in `piece`, was spent by the received call, or on the way of the other two."""
        start = max(start, piece.start)
        end = min(end, piece.end)
        if start < end:
            shift = piece.shift
            self.found.append(Segment(start + shift, end + shift, phase, *whose))

    def _into(
        self, piece: _Piece, node: ReceivedCall | ClientCall | Attempt, start: int, end: int, shift: int, *, call: ClientCall | None = None
    ) -> None:
        """Walk through `node` later. It counts from `start` to `end` of the time of `piece`, in which its base is `shift`."""
        start = max(start, piece.start)
        end = min(end, piece.end)
        if start < end:
            self.waiting.append(_Piece(node, start - shift, end - shift, piece.shift + shift, call))


def durations(path: Sequence[Segment]) -> dict[tuple[ReceivedCall | ClientCall | None, Phase], int]:
    """The microseconds of each call and phase on a path."""
    total: dict[tuple[ReceivedCall | ClientCall | None, Phase], int] = {}
    for segment in path:
        key = segment.call or segment.received, segment.phase
        total[key] = total.get(key, 0) + segment.duration
    return total
