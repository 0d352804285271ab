"""HTTP/1.1 without IO: requests one at a time whatever comes together, responses framed as their request allows, faults by their status."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.http1.recording import ANSWERS, CHUNKED, GET, POST, Answering, Request, Server, answer, echo, head, in_pieces, silent
from towpath._wire.http.fields import Section
from towpath._wire.http1 import Http1Limits


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_requests_mean_the_same_wherever_they_are_cut(size: int) -> None:
    server = Server()
    data = GET + POST + CHUNKED
    for start in range(0, len(data), size):
        server.connection.receive(data[start : start + size])
    assert server.sent() == ANSWERS
    assert [request.body for request in server.requests] == [b"", b"abc", b"abcde"]
    assert server.connection.idle
    assert not server.over


def test_a_request_waits_until_the_one_before_is_answered() -> None:
    server = Server(silent)
    server.connection.receive(GET + POST + CHUNKED)
    assert [request.head.path for request in server.requests] == [b"/a"]
    assert not server.reading
    for number in range(3):
        assert server.requests[number].ended
        echo(server.requests[number])
    assert server.sent() == ANSWERS
    assert server.reading


def test_thousands_of_requests_in_one_read_are_answered_in_order() -> None:
    server = Server()
    server.connection.receive(GET * 3000)
    assert 128 <= len(server.requests) < 500
    server.turns()
    assert server.sent() == answer(b"/a", b"") * 3000
    late = Server(silent)
    late.connection.receive(GET * 3000)
    late.answer = echo
    echo(late.requests[0])
    late.turns()
    assert late.sent() == answer(b"/a", b"") * 3000


def test_a_body_of_many_pieces_takes_several_turns() -> None:
    server = Server()
    server.connection.receive(CHUNKED.partition(b"3\r\n")[0] + b"5\r\nabcde\r\n" * 3000)
    assert len(server.requests[0].body) < 3000 * 5
    server.connection.receive(b"0\r\n\r\n")
    assert server.connection.behind
    assert not server.connection.idle
    server.turns()
    assert server.sent() == answer(b"/c", b"abcde" * 3000)
    assert server.connection.idle


def test_what_is_behind_when_the_connection_ends_is_dropped() -> None:
    server = Server(limits=Http1Limits(max_discarded=50_000))
    server.connection.receive(GET * 500 + b"nonsense\r\n\r\n" + GET * 500)
    server.turns()
    assert len(server.requests) == 500
    assert server.over.startswith("this is not HTTP/1.1")
    server.connection.receive(GET * 1000)
    server.connection.receive(GET * 1000)
    server.turns()
    assert server.over == "finished"


def test_a_head_that_recurs_is_the_same_section_with_its_route() -> None:
    server = Server()
    server.connection.receive(GET)
    server.requests[0].head.route = "known"
    server.connection.receive(GET + GET.replace(b"/a", b"/z"))
    assert [request.head.route for request in server.requests] == ["known", "known", None]
    for number in range(100):
        server.connection.receive(GET.replace(b"/a", b"/%d" % number))
    assert len(server.requests) == 103


def test_heads_are_remembered_up_to_a_number_of_bytes() -> None:
    server = Server(limits=Http1Limits(max_head=64 * 1024))
    large = GET.replace(b"/a", b"/" + b"a" * 12_000)
    for sent in (GET, large):
        server.connection.receive(sent)
        server.requests[-1].head.route = "known"
        server.connection.receive(sent)
        assert server.requests[-1].head.route == "known"
    server.connection.receive(large.replace(b"/a", b"/b"))  # both together are too much
    server.connection.receive(GET)
    assert server.requests[-1].head.route is None
    too_large = GET.replace(b"/a", b"/" + b"a" * 20_000)
    server.connection.receive(too_large)
    server.requests[-1].head.route = "known"
    server.connection.receive(too_large + GET)
    assert [request.head.route for request in server.requests[-2:]] == [None, None]
    assert server.requests[-1].head is server.requests[-4].head  # what was remembered before stays


def test_a_body_of_tiny_chunks_that_waits_takes_no_more_than_what_came() -> None:
    server = Server(silent)
    server.connection.receive(GET + b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    tracemalloc.start()
    try:
        server.connection.receive(b"1\r\nx\r\n" * 9_000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 60_000  # an object for each chunk would be some 50 bytes more
    echo(server.requests[0])
    while server.connection.behind:
        server.connection.go_on()
    assert server.requests[1].body == b"x" * 9_000
    server.answer = echo
    server.connection.receive(b"0\r\n\r\n")
    assert server.sent().endswith(b"x")


def test_the_head_is_as_it_came_with_its_names_in_lower_case() -> None:
    server = Server()
    server.connection.receive(
        b"GET http://y:1/p?q=1 HTTP/1.1\r\nHost: x\r\nX-Two: b\r\nx-two: c \r\n\r\nOPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    head, star = (request.head for request in server.requests)
    assert (head.method, head.path, head.authority, star.path) == (b"GET", b"/p?q=1", b"x", b"*")
    assert head.fields == ((b"host", b"x"), (b"x-two", b"b"), (b"x-two", b"c"))


def test_a_body_in_pieces_goes_out_in_chunks() -> None:
    server = Server(in_pieces)
    server.connection.receive(GET * 2)
    assert server.sent() == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" * 2


def test_a_body_in_pieces_ends_with_the_connection_where_there_are_no_chunks() -> None:
    server = Server(in_pieces)
    server.connection.receive(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert server.sent() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"
    assert server.over == "finished"


def test_an_old_client_may_keep_the_connection() -> None:
    server = Server()
    server.connection.receive(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"connection: keep-alive" in server.sent()
    assert not server.over
    server.connection.receive(b"GET /a HTTP/1.0\r\n\r\n")
    assert b"connection: close" in server.sent()
    assert server.over == "finished"


def test_a_client_may_end_the_connection() -> None:
    server = Server()
    server.connection.receive(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + GET)
    assert server.sent().count(b"HTTP/1.1 200") == 1
    assert server.over == "finished"


@pytest.mark.parametrize("answering", [echo, in_pieces])
def test_head_gets_the_head_alone(answering: Answering) -> None:
    server = Server(answering)
    server.connection.receive(GET.replace(b"GET", b"HEAD") + GET)
    first, second = server.sent().split(b"HTTP/1.1 200 OK")[1:]
    assert first.endswith(b"\r\n\r\n")
    assert len(second) >= len(first)


def test_an_answer_may_have_no_body() -> None:
    server = Server(lambda request: request.server.connection.send_head(head(404), [], end=True))
    server.connection.receive(GET)
    assert server.sent() == b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(("status", "line"), [(204, b"HTTP/1.1 204 No Content"), (304, b"HTTP/1.1 304 Not Modified")])
def test_an_answer_that_can_have_no_body_says_nothing_of_its_length(status: int, line: bytes) -> None:
    """RFC 9110, section 8.6: a 204 must not, and a 304 would speak of another answer's."""
    server = Server(lambda request: request.server.connection.send_head(head(status), [], end=True))
    server.connection.receive(GET)
    assert server.sent() == line + b"\r\n\r\n"


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_whose_head_says_its_length_comes_in_pieces_without_chunks(version: bytes) -> None:
    def answer(request: Request) -> None:
        connection = request.server.connection
        connection.send_head(head(200), [(b"content-length", b"4")], end=False, sized=True)
        connection.send_data(b"ab", end=False)
        connection.send_data(b"cd", end=True)

    server = Server(answer)
    server.connection.receive(GET.replace(b"1.1\r\n", version + b"\r\nConnection: keep-alive\r\n"))
    sent = server.sent()
    assert sent.endswith(b"\r\n\r\nabcd")
    assert b"\r\ncontent-length: 4\r\n" in sent
    assert b"chunked" not in sent
    assert not server.over  # its end is known, so that the connection goes on


def test_a_client_that_expects_it_is_told_to_go_on() -> None:
    server = Server()
    server.connection.receive(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert server.sent() == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.connection.receive(b"abc")
    assert server.sent() == answer(b"/b", b"abc")


def test_an_answer_before_the_end_of_the_request_ends_the_connection() -> None:
    server = Server(silent)
    server.connection.receive(POST[:-1])
    echo(server.requests[0])
    assert b"connection: close" in server.sent()
    assert server.lingers
    server.connection.receive(b"c" + GET)
    assert server.over == "finished"
    assert len(server.requests) == 1


def test_a_body_that_is_not_taken_stops_the_reading() -> None:
    server = Server(silent, limits=Http1Limits(max_unread=10), takes=False)
    server.connection.receive(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n" + bytes(20))
    assert not server.reading
    server.connection.consumed(5)
    assert not server.reading
    server.connection.consumed(5)
    assert server.reading
    server.connection.receive(bytes(10))
    assert server.requests[0].ended


def test_a_body_still_comes_whole_where_the_connection_ends_with_its_answer() -> None:
    server = Server()
    data = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for start in range(len(data)):
        server.connection.receive(data[start : start + 1])
    assert server.sent().endswith(b"connection: close\r\n\r\nabc")
    assert server.over == "finished"


def test_an_answer_may_begin_before_the_request_has_ended() -> None:
    server = Server(lambda request: request.server.connection.send_data(request.body, end=True))
    server.connection.receive(POST[:-2])
    server.connection.send_head(head(200), [], end=False)
    server.connection.send_data(b"x", end=False)
    server.connection.receive(POST[-2:])
    assert server.sent() == (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\nx\r\n3\r\nabc\r\n0\r\n\r\n")
    assert server.over == "finished"


def test_an_answer_to_the_head_alone_leaves_the_body_unread() -> None:
    class Hasty(Request):
        def head_received(self, head: Section, *, end: bool) -> None:
            echo(self)

    server = Server()
    server.accept = lambda head: Hasty(server, head)  # type: ignore[method-assign]
    server.connection.receive(POST + GET)
    assert server.sent().count(b"HTTP/1.1") == 1
    assert server.over == "finished"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 110, 431),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 17_000, 431),
        (b"GET /" + b"y" * 17_000, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 20_000, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"y" * 20_000, 431),
    ],
)
def test_what_is_wrong_gets_its_status_and_ends_the_connection(data: bytes, status: int) -> None:
    server = Server(silent)
    for start in range(0, len(data), 1000):
        server.connection.receive(data[start : start + 1000])
    sent = server.sent()
    assert int(sent.split(b" ")[1]) == status
    assert b"connection: close" in sent
    assert server.over
    assert all(request.lost for request in server.requests)
    server.connection.receive(GET)
    assert server.sent() == b""


HEAD_OF_THE_LIMIT = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\nX: %s\r\n\r\n"


@pytest.mark.parametrize(("size", "status"), [(16_346, 200), (16_347, 431)])
def test_what_is_read_with_a_head_does_not_count_and_the_whole_head_does(size: int, status: int) -> None:
    server = Server(silent)
    server.connection.receive(HEAD_OF_THE_LIMIT % (b"y" * size) + bytes(20_000))
    if status == 200:
        server.connection.send_head(head(200), [], end=True)
    assert int(server.sent().split(b" ")[1]) == status


def test_a_fault_after_the_answer_has_begun_only_ends_the_connection() -> None:
    server = Server(silent)
    server.connection.receive(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.connection.send_head(head(200), [], end=False)
    server.connection.send_data(b"ab", end=False)
    server.sent()
    server.connection.receive(b"x\r\n")
    assert server.sent() == b""
    assert server.requests[0].lost


def test_a_head_that_does_not_come_in_time_gets_408() -> None:
    server = Server()
    server.connection.receive(GET[:-2])
    assert server.connection.awaits_head
    server.connection.timeout()
    assert server.sent().startswith(b"HTTP/1.1 408 ")
    server.connection.timeout()
    assert server.sent() == b""


def test_an_idle_connection_ends_with_the_server_and_a_busy_one_with_its_answer() -> None:
    idle, busy = Server(), Server(silent)
    idle.connection.announce_shutdown()
    assert idle.over == "finished"
    busy.connection.receive(GET)
    busy.connection.announce_shutdown()
    assert not busy.over
    echo(busy.requests[0])
    assert b"connection: close" in busy.sent()
    assert busy.over == "finished"


def test_a_client_that_does_not_read_gets_no_more_answers() -> None:
    server = Server()
    server.connection.writing_paused()
    server.connection.receive(GET * 100)
    assert (server.sent(), server.requests, server.reading) == (b"", [], False)
    server.connection.writing_resumed()
    assert server.sent() == answer(b"/a", b"") * 100
    assert server.reading
    server.answer = lambda request: (echo(request), server.connection.writing_paused())[0]
    server.connection.receive(GET * 3)
    assert server.sent() == answer(b"/a", b"")
    server.connection.writing_resumed()
    assert server.sent() == answer(b"/a", b"")


def test_whoever_waits_for_a_lost_client_is_told() -> None:
    server = Server(silent)
    server.connection.receive(GET + GET)
    server.connection.writing_paused()
    server.connection.writing_resumed()
    server.connection.lost("gone")
    assert server.requests[0].lost == "gone"
    server.connection.lost("gone")
    server.connection.consumed(0)
    assert len(server.requests) == 1


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(st.sampled_from([GET, POST, CHUNKED, b"\r\n", b"GET", b" ", b":", b"0\r\n\r\n"]), st.binary(max_size=20)), max_size=6
    )
)
def test_nothing_but_answers_and_ends_comes_of_any_bytes(pieces: list[bytes]) -> None:
    server = Server()
    for piece in pieces:
        server.connection.receive(piece)
    assert len(server.connection.waiting) == 0
    assert server.sent().count(b"HTTP/1.1 ") <= len(server.requests) + 1
