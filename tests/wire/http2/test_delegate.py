"""A connection that has ended tells nobody of anything, whatever is still asked of it."""

import weakref
from collections import deque

from tests.wire.http2.recording import REQUEST as REQUEST_FIELDS
from tests.wire.http2.recording import RecordingStream, block
from towpath._wire.http.fields import REQUEST, Field, Section
from towpath._wire.http2 import ClientConnection, ErrorCode, ServerConnection
from towpath._wire.http2.delegate import NOBODY
from towpath._wire.http2.frames import DATA, END_HEADERS, HEADERS, PREFACE, frame, settings


class Delegate:
    """Has its connections, as links do."""

    def __init__(self) -> None:
        self.server = ServerConnection(self)
        self.client = ClientConnection(self)

    def ready(self) -> None: ...

    def going_away(self, reason: str) -> None: ...

    def pinged(self, payload: bytes) -> None: ...

    def now(self) -> float:
        return 1.0

    def failed(self, reason: str) -> None: ...

    def accept(self, head: Section, extra: list[Field]) -> RecordingStream:
        return RecordingStream(self.server, [])

    def oversized(self, fields: list[Field], reason: str) -> Section:
        return Section(REQUEST, {}, (), -1)


def test_a_delegate_is_freed_without_the_collector_once_it_was_let_go() -> None:
    delegate = Delegate()
    kept = weakref.ref(delegate)
    for connection in (delegate.server, delegate.client):
        connection.lost("gone")
        connection.let_go()
    del delegate
    assert kept() is None
    connection.fail(ErrorCode.NO_ERROR, "late")
    connection.receive(PREFACE + settings([]))


class Ending(Delegate):
    """Ends its connection with the first request."""

    accepted = 0

    def accept(self, head: Section, extra: list[Field]) -> RecordingStream:
        self.accepted += 1
        self.server.fail(ErrorCode.ENHANCE_YOUR_CALM, "enough")
        return RecordingStream(self.server, [])


def test_frames_behind_one_that_has_ended_the_connection_are_not_looked_at() -> None:
    delegate = Ending()
    request = frame(HEADERS, END_HEADERS, 1, block(*REQUEST_FIELDS))
    again = frame(HEADERS, END_HEADERS, 3, block(*REQUEST_FIELDS))
    delegate.server.begin()
    delegate.server.receive(PREFACE + settings([]) + request + again + frame(DATA, 0, 3, b"x"))
    delegate.server.receive(again)
    assert delegate.accepted == 1


def test_data_that_waits_is_kept_whole() -> None:
    delegate = Delegate()
    stream = RecordingStream(delegate.server, [])
    assert stream.retained == 0
    stream.queue = deque([(memoryview(bytes(1000))[999:], False, None), (memoryview(b"ab"), True, None)])
    assert stream.retained == 1002


def test_nobody_hears_of_everything_and_does_nothing() -> None:
    NOBODY.ready()
    NOBODY.going_away("")
    NOBODY.pinged(b"")
    NOBODY.failed("")
    assert NOBODY.now() == 0
    assert NOBODY.accept(Section(REQUEST, {}, (), -1), ()) == b""
    assert NOBODY.oversized((), "").fields == ()
