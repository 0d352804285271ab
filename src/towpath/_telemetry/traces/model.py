"""The tree of one trace: calls that processes received, and the calls that they made meanwhile.

All times are whole microseconds. Those of a `ReceivedCall` count from its `base`, and those of a `ClientCall` and its attempts from the
base of that call, which is on the clock of the process that made it. Nothing here compares the clocks of two processes.
"""

from dataclasses import dataclass, field

from towpath._telemetry.flight_recorder.row import CRITICALITY_SHIFT, NOT_REACHED, UNKNOWN_CODE, ServerMark

_HANDLER_ENDED, _WRITTEN = int(ServerMark.HANDLER_ENDED), int(ServerMark.WRITTEN)


@dataclass(slots=True, eq=False)
class ReceivedCall:
    """The part of a call that the process had which received it."""

    service: str
    process: int
    method: str
    code: int
    """The status; `row.UNKNOWN_CODE` if it is not known."""
    flags: int
    base: float
    """When the head of the request was read, in seconds of the process' monotonic clock."""
    began_at: float
    """The same in seconds since 1970, as the process believed. It is for people to read and for choosing traces, and no duration."""
    branch: int
    """The task that ran the handler."""
    marks: tuple[int, ...]
    """By `ServerMark`, after `base`; `row.NOT_REACHED` for what the call did not come to."""
    span_id: str
    peer: str = ""
    tenant: str = ""
    reason: str = ""
    """Role and reason of a rejection."""
    request_size: int = 0
    response_size: int = 0
    calls: list["ClientCall"] = field(default_factory=list["ClientCall"])
    """What was called on behalf of this call, in the order in which it began."""
    attempt: "Attempt | None" = None
    """The attempt that this process received; None if its row was not seen, or if the caller records none."""
    in_circle: bool = False
    """The rows said that this call was made by one below it. It is shown as the first of its trace."""

    duration: int = field(init=False)
    """From the head of the request to the answer handed to the connection, or to the last that is known."""
    handler_ended: int = field(init=False)
    """When the handler returned, or the last that is known."""

    def __post_init__(self) -> None:
        written, ended = self.marks[_WRITTEN], self.marks[_HANDLER_ENDED]
        self.duration = written if written != NOT_REACHED else last_reached(self.marks)
        self.handler_ended = ended if ended != NOT_REACHED else self.duration

    @property
    def criticality(self) -> int:
        """1 (SHEDDABLE) to 4 (CRITICAL_PLUS)."""
        return (self.flags >> CRITICALITY_SHIFT & 3) + 1


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt of a client's call."""

    number: int
    """How many attempts came before this one."""
    code: int
    flags: int
    marks: tuple[int, ...]
    """By `ClientMark`, after the base of the call; `row.NOT_REACHED` for what the attempt did not come to."""
    span_id: str
    peer: str = ""
    reason: str = ""
    received: ReceivedCall | None = None
    """What the server recorded; None if its row was not seen."""
    also_received: list[ReceivedCall] = field(default_factory=list[ReceivedCall])
    """Further received calls with the same span, as after a repetition below the attempt."""

    began: int = field(init=False)
    """When it began; the beginning of the call if that is not known."""
    connected: int = field(init=False)
    """When it had a place on a connection; its beginning if that is not known."""
    ended: int = field(init=False)
    """When the caller's task went on, or the last that is known. Never before `began`."""
    window: tuple[int, int] = field(init=False)
    """From the request handed to the connection until the answer was read: what the server had of the attempt lies between. Where one of
    the two is not known, the nearest that is known."""

    def __post_init__(self) -> None:
        marks = self.marks
        began, connected, written, _, read, resumed, *_ = marks  # by `ClientMark`
        self.began = began = 0 if began == NOT_REACHED else began
        self.connected = connected = began if connected == NOT_REACHED else max(began, connected)
        self.ended = ended = max(began, resumed if resumed != NOT_REACHED else last_reached(marks))
        end = ended if read == NOT_REACHED else max(began, read)
        self.window = min(connected if written == NOT_REACHED else max(began, written), end), end


@dataclass(slots=True, eq=False)
class ClientCall:
    """A call that a process made, with its attempts."""

    service: str
    """The service that made it."""
    process: int
    method: str
    base: float
    """When it began, in seconds of the monotonic clock of the process that made it."""
    began_at: float
    """The same in seconds since 1970, as the process believed."""
    branch: int
    """The task that made it. The calls of one branch were made one after the other."""
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    """In the order of their numbers."""
    made: int | None = None
    """How many attempts the call made by its own row; None if it has none, because there was one attempt, or because it was not seen."""
    call_code: int = UNKNOWN_CODE
    """The status in the call's own row."""
    call_marks: tuple[int, ...] = ()
    """The marks in the call's own row, by `ClientMark`."""
    reason: str = ""
    caller: ReceivedCall | None = None
    """The received call that it was made for; None if there was none, or if its row was not seen."""

    @property
    def missing_attempts(self) -> int:
        """How many attempts were made and are not seen."""
        return max(0, (self.made or 0) - len(self.attempts))

    @property
    def duration(self) -> int:
        """Until the caller's task went on, or the last that is known."""
        own = last_reached(self.call_marks)
        return max([own, *(attempt.ended for attempt in self.attempts)]) if self.made is None or not own else own

    @property
    def code(self) -> int:
        """The status with which the call ended; `row.UNKNOWN_CODE` if that is not known."""
        if self.made is not None:
            return self.call_code
        answering = self.answering
        return UNKNOWN_CODE if answering is None else answering.code

    @property
    def answering(self) -> Attempt | None:
        """The attempt that ended the call: of those that succeeded, or else of all, the one that ended last. None without attempts."""
        succeeded = [attempt for attempt in self.attempts if attempt.code == 0]
        return max(succeeded or self.attempts, key=lambda attempt: attempt.ended, default=None)


Root = ReceivedCall | ClientCall


@dataclass(slots=True, eq=False)
class Trace:
    """All calls with one trace id that were seen."""

    trace_id: str
    roots: list[Root]
    """Calls whose caller was not seen, the longest first. There are several if rows of callers are missing, or if something followed
    later in the same trace."""

    @property
    def root(self) -> Root:
        """The call that the trace is about."""
        return self.roots[0]


def last_reached(marks: tuple[int, ...]) -> int:
    """The latest mark that the call came to, or 0."""
    return max((mark for mark in marks if mark != NOT_REACHED), default=0)
