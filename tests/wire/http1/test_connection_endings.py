"""How a connection ends without a loss: responses that end before their requests, and clients that have closed their half."""

import pytest

from tests.wire.http1.recording import ANSWERS, CHUNKED, GET, POST, Request, Server, answer, echo, head, silent
from towpath._wire.http.fields import Section
from towpath._wire.http1 import Http1Limits

BEGUN = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


class Hasty(Request):
    """Is answered by its head alone."""

    def head_received(self, head: Section, *, end: bool) -> None:
        echo(self)


def hasty(*, limits: Http1Limits | None = None) -> Server:
    server = Server(limits=limits)
    server.accept = lambda head: Hasty(server, head)  # type: ignore[method-assign] # this server answers before bodies come
    return server


def test_the_rest_of_a_request_is_dropped_after_its_response() -> None:
    server = hasty()
    server.connection.receive(BEGUN)
    assert b"connection: close" in server.sent()
    assert server.lingers
    for _ in range(10):
        assert not server.over
        server.connection.receive(bytes(100))
    assert server.over == "finished"
    assert server.sent() == b""


@pytest.mark.parametrize("rest", [b"c", b"c" + GET, b"c" + b"nonsense\r\n\r\n"])
def test_nothing_behind_a_request_that_was_answered_early_is_served(rest: bytes) -> None:
    server = Server(silent)
    server.connection.receive(POST[:-1])
    echo(server.requests[0])
    server.sent()
    server.connection.receive(rest)
    assert server.over == "finished"
    assert (len(server.requests), server.sent()) == (1, b"")


def test_no_more_than_the_limit_is_dropped() -> None:
    server = hasty(limits=Http1Limits(max_discarded=500))
    server.connection.receive(BEGUN + bytes(500))
    assert not server.over
    server.connection.receive(bytes(1))
    assert server.over == "finished"


def test_a_body_that_was_not_taken_no_longer_stops_the_reading_once_there_is_a_response() -> None:
    server = Server(silent, limits=Http1Limits(max_unread=10), takes=False)
    server.connection.receive(BEGUN + bytes(20))
    assert not server.reading
    echo(server.requests[0])
    assert server.reading
    server.connection.receive(bytes(980))
    assert server.over == "finished"


def test_a_body_that_breaks_after_the_response_gets_no_second_one() -> None:
    server = hasty()
    server.connection.receive(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert server.sent().count(b"HTTP/1.1 ") == 1
    server.connection.receive(b"no size\r\n")
    assert (server.over, server.sent()) == ("finished", b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /b HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 2000, 431),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
    ],
)
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("before", [1, 3])
def test_a_fault_does_not_end_the_requests_before_it(before: int, data: bytes, status: int, split: bool) -> None:
    server = Server(silent)
    if split:
        server.connection.receive(before * GET)
        server.connection.receive(data)
    else:
        server.connection.receive(before * GET + data)
    assert not server.reading
    for served in range(before):
        assert (server.requests[served].lost, server.over, server.sent()) == ("", "", b"")
        server.connection.receive(b"and what comes behind it")
        connection = server.connection
        connection.send_head(head(200), [], end=False)
        connection.send_data(b"ok", end=False)
        assert server.sent().startswith(b"HTTP/1.1 200 ")
        connection.send_data(b"", end=True)
        if served < before - 1:
            assert server.sent() == b"0\r\n\r\n"
    assert server.sent().startswith(b"0\r\n\r\nHTTP/1.1 %d " % status)
    assert server.over
    assert not any(request.lost for request in server.requests[:before])


def test_a_client_that_has_closed_its_half_behind_a_fault_gets_all_responses() -> None:
    server = Server(silent)
    server.connection.receive(GET + b"nonsense\r\n\r\n")
    server.connection.input_ended()
    assert not server.over
    echo(server.requests[0])
    assert server.sent().startswith(answer(b"/a", b"") + b"HTTP/1.1 400 ")
    assert server.over


def test_what_comes_behind_a_malformed_request_is_dropped_up_to_the_limit() -> None:
    server = Server(limits=Http1Limits(max_discarded=500))
    server.connection.receive(b"nonsense\r\n\r\n")
    server.connection.receive(bytes(500))
    assert server.over.startswith("this is not HTTP/1.1")
    server.connection.receive(bytes(1))
    assert server.over == "finished"


def test_reading_goes_on_after_a_malformed_request() -> None:
    server = Server(silent, limits=Http1Limits(max_unread=10), takes=False)
    server.connection.receive(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + bytes(32) + b"\r\n")
    assert not server.reading
    server.connection.receive(b"no size\r\n")
    assert server.sent().startswith(b"HTTP/1.1 400 ")
    assert server.reading


def test_a_client_that_has_closed_its_half_gets_all_responses() -> None:
    server = Server(silent)
    server.connection.receive(GET + POST + CHUNKED)
    server.connection.input_ended()
    server.connection.input_ended()
    for number in range(3):
        assert not server.over
        echo(server.requests[number])
    assert server.sent() == ANSWERS
    assert server.over == "finished"


def test_a_client_that_has_closed_its_half_while_it_did_not_read_gets_its_response() -> None:
    server = Server()
    server.connection.writing_paused()
    server.connection.receive(GET)
    server.connection.input_ended()
    assert not server.over
    server.connection.writing_resumed()
    assert (server.sent(), server.over) == (answer(b"/a", b""), "finished")


@pytest.mark.parametrize("data", [b"", GET[:-1], b"\r\n"])
def test_a_client_that_has_closed_its_half_without_a_request_is_let_go(data: bytes) -> None:
    server = Server()
    server.connection.receive(data)
    server.connection.input_ended()
    assert (server.over, server.sent()) == ("finished", b"")


def test_a_request_whose_client_has_closed_its_half_too_early_is_lost() -> None:
    server = Server(silent)
    server.connection.receive(GET + POST[:-1])
    server.connection.input_ended()
    echo(server.requests[0])
    assert server.sent() == answer(b"/a", b"")
    assert server.requests[1].lost == "the client has ended in the middle of its request"
    assert server.over == "finished"


def test_a_client_may_close_its_half_once_its_request_was_answered_or_refused() -> None:
    early, refused = hasty(), Server()
    early.connection.receive(BEGUN)
    refused.connection.receive(b"nonsense\r\n\r\n")
    for server in (early, refused):
        server.connection.input_ended()
        assert server.over == "finished"


def test_a_head_means_by_its_version_whatever_came_before() -> None:
    server = Server()
    server.connection.receive(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert server.sent().startswith(b"HTTP/1.1 200 ")
    assert server.status(b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n") == 400


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://x", b"/"),
        (b"HTTP://x/", b"/"),
        (b"http://x?q=1", b"/?q=1"),
        (b"http://x?q=/a", b"/?q=/a"),
        (b"https://x:1/a/b?q=/c", b"/a/b?q=/c"),
    ],
)
def test_a_target_in_absolute_form_keeps_its_path_and_query(target: bytes, path: bytes) -> None:
    server = Server()
    server.connection.receive(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert server.requests[0].head.path == path


def test_what_comes_behind_the_last_request_is_dropped_while_its_response_is_made() -> None:
    server = Server(silent, limits=Http1Limits(max_discarded=10))
    server.connection.receive(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    server.connection.receive(GET)
    echo(server.requests[0])
    assert server.sent().count(b"HTTP/1.1 200 ") == len(server.requests) == 1
    assert server.over == "finished"


def test_a_connection_for_which_too_much_is_kept_ends_with_503() -> None:
    server = Server(silent)
    server.connection.receive(POST[:-1])
    server.connection.overdrawn("too much")
    assert server.sent().startswith(b"HTTP/1.1 503 ")
    assert server.requests[0].lost == "too much"
    assert server.over


def test_what_waits_behind_a_request_is_told_in_bytes() -> None:
    server = Server(silent)
    server.connection.receive(GET)
    assert server.connection.backlog == 0
    server.connection.receive(b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + bytes(3000))
    assert 3000 < server.connection.backlog < 6000
