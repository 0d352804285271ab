"""A connection that has ended tells nobody of anything, whatever is still asked of it."""

import weakref

from tests.wire.http2.recording import RecordingStream
from towpath._wire.http.fields import REQUEST, Field, Section
from towpath._wire.http2 import ClientConnection, ErrorCode, ServerConnection
from towpath._wire.http2.delegate import NOBODY
from towpath._wire.http2.frames import PREFACE, settings


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


def test_nobody_hears_of_everything_and_does_nothing() -> None:
    NOBODY.ready()
    NOBODY.going_away("")
    NOBODY.pinged(b"")
    NOBODY.failed("")
    assert NOBODY.now() == 0
    assert NOBODY.accept(Section(REQUEST, {}, (), -1), ()) == b""
    assert NOBODY.oversized((), "").fields == ()
