"""A connection that has ended tells nobody of anything, whatever is still asked of it."""

import weakref

import pytest

from tests.wire.http1.recording import GET, Server, silent
from towpath._wire.http.fields import REQUEST, Section
from towpath._wire.http1.stream import NOBODY


def test_a_delegate_is_freed_without_the_collector_once_it_was_let_go() -> None:
    server = Server(silent)
    server.connection.receive(GET[:20])
    connection = server.connection
    connection.lost("gone")
    connection.let_go()
    kept = weakref.ref(server)
    del server
    assert kept() is None
    connection.receive(GET)
    connection.timeout()
    connection.announce_shutdown()
    connection.cut()
    assert connection.out == []


def test_nobody_hears_of_everything_and_does_nothing() -> None:
    NOBODY.pause_reading()
    NOBODY.resume_reading()
    NOBODY.linger()
    NOBODY.flooded()
    with pytest.raises(AssertionError):
        NOBODY.now()
    NOBODY.finished()
    NOBODY.failed("")
    NOBODY.reset("")
    with pytest.raises(AssertionError):
        NOBODY.accept(Section(REQUEST, {}, (), -1))
