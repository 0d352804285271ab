"""What a client of HTTP/1.1 may do that costs a server and asks for nothing."""

import pytest

from tests.wire.http1.recording import CHUNKED, GET, POST, Server, answer
from towpath._wire.http1 import Http1Limits

LIMITS = Http1Limits(overhead_burst=10, overhead_per_second=2)
HEAD = CHUNKED.partition(b"3\r\n")[0]
TINY = b"4\r\nabcd\r\n"


def unwanted(limits: Http1Limits = LIMITS) -> Server:
    """A server that has nothing for anybody."""
    server = Server(limits=limits)
    server.unwanted = True
    return server


def test_requests_for_nothing_are_answered_until_there_are_too_many_and_the_last_says_so() -> None:
    server = unwanted()
    server.connection.receive(GET * 10)
    assert (server.sent(), server.over, server.floods) == (answer(b"/a", b"") * 10, "", 0)
    server.connection.receive(GET * 3)
    sent = server.sent()
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.count(b"connection: close") == 1
    assert (server.over, server.floods, len(server.requests)) == ("finished", 1, 11)


def test_requests_for_nothing_go_on_as_time_passes() -> None:
    server = unwanted()
    for _ in range(100):
        server.time += 0.5
        server.connection.receive(GET)
    assert (server.over, server.floods) == ("", 0)


def test_one_that_is_the_last_anyway_is_not_counted() -> None:
    server = unwanted(Http1Limits(overhead_burst=1, overhead_per_second=0))
    server.connection.receive(GET + GET.replace(b"Host", b"Connection: close\r\nHost"))
    assert (server.over, server.floods) == ("finished", 0)


def test_tiny_pieces_in_a_row_are_refused_when_there_are_too_many() -> None:
    server = Server(limits=LIMITS)
    server.connection.receive(HEAD + TINY * 11)
    assert server.requests[0].body == b"abcd" * 11
    assert server.status(TINY) == 429
    assert (server.floods, server.requests[0].lost) == (1, "too many pieces of bodies with less than 5 bytes")


def test_tiny_pieces_between_others_are_free() -> None:
    """A separator that is written by itself."""
    server = Server(limits=LIMITS)
    server.connection.receive(HEAD + b'9\r\n{"id": 1}\r\n1\r\n,\r\n' * 1000)
    server.turns()
    assert (len(server.requests[0].body), server.over) == (10_000, "")


def test_tiny_bodies_are_free() -> None:
    server = Server(limits=LIMITS)
    server.connection.receive(POST * 1000)
    server.turns()
    assert server.sent() == answer(b"/b", b"abc") * 1000


@pytest.mark.parametrize("limits", [{"overhead_burst": 0}, {"overhead_per_second": -1.0}, {"overhead_per_second": float("nan")}])
def test_what_cannot_be_counted_is_no_limit(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give 1 and 0 or more"):
        Http1Limits(**limits)  # type: ignore[arg-type] # a limit by its name
