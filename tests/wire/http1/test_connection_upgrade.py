"""HTTP/1.1 whose requests offer another protocol: each is served as if it had not, with its body and with what follows it."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wire.http1.recording import ANSWERS, CHUNKED, GET, POST, Server, answer, echo, silent

JDK = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nUpgrade: h2c\r\n"
OFFERS = (
    JDK,
    b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"upgrade: h2c, TLS/1.0\r\nUPGRADE:foo\r\nConnection: keep-alive, Upgrade\r\n",
    b"Upgrade: h2c\r\nConnection: close, Upgrade\r\n",
    b"Upgrade: h2c\r\n",
    b"Connection: Upgrade\r\n",
)
OLD = b"POST /d HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
EMPTY = b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
CLOSING = b"POST /f HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz"
FAULTY = b"POST /g HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"


def offering(request: bytes, offer: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\n" + offer + b"\r\n", 1)


def without_upgrade(request: bytes) -> bytes:
    head, end, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"upgrade:")]
    return b"\r\n".join(lines) + end + body


def served(data: bytes, cuts: list[int]) -> tuple[object, ...]:
    """What comes of a connection over which `data` came in pieces that end at `cuts`."""
    server = Server()
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(bounds):
        server.connection.receive(data[start:end])
    requests = [
        (
            one.head.method,
            one.head.path,
            one.head.authority,
            [field for field in one.head.fields if field[0] != b"upgrade"],
            one.body,
            one.lost,
        )
        for one in server.requests
    ]
    return requests, server.sent(), server.over, server.connection.idle, server.connection.awaits_head


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("request_", [POST, CHUNKED])
def test_a_body_comes_whole_wherever_it_is_cut(request_: bytes, offer: bytes) -> None:
    data = offering(request_, offer)
    for cut in range(1, len(data)):
        server = Server()
        server.connection.receive(data[:cut])
        server.connection.receive(data[cut:])
        assert [request.body for request in server.requests] == [b"abc" if request_ is POST else b"abcde"]
        assert server.requests[0].ended


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1000])
def test_requests_behind_an_offer_are_served(size: int) -> None:
    server = Server()
    data = b"".join(offering(request, JDK) for request in (GET, POST, CHUNKED)) + GET + POST + CHUNKED
    for start in range(0, len(data), size):
        server.connection.receive(data[start : start + size])
    assert server.sent() == ANSWERS * 2
    assert server.connection.idle
    assert not server.over


def test_thousands_of_offers_in_one_read_are_answered_in_order() -> None:
    server = Server(silent)
    server.connection.receive(offering(POST, JDK) * 1000)
    assert not server.reading
    server.answer = echo
    echo(server.requests[0])
    server.turns()
    assert server.sent() == answer(b"/b", b"abc") * 1000
    assert server.reading


def test_a_tunnel_is_refused_whatever_it_offers() -> None:
    server = Server()
    assert server.status(offering(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", JDK) + b"tunnelled") == 501
    assert (server.requests, server.over) == ([], "CONNECT is not served here")


NO_HOST = b"GET /h HTTP/1.1\r\n\r\n"
TUNNEL = b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"
CROWDED = b"GET /i HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n"


@pytest.mark.parametrize("requests", [(GET, NO_HOST), (GET, TUNNEL), (GET, CROWDED), (NO_HOST,), (GET, GET, TUNNEL)])
def test_a_fault_is_told_as_it_is_without_an_offer(requests: tuple[bytes, ...]) -> None:
    told = served(b"".join(requests), [])[1:3]
    assert served(b"".join(offering(request, JDK) for request in requests), [])[1:3] == told
    assert served(offering(requests[0], JDK) + b"".join(requests[1:]), [])[1:3] == told


@given(
    st.lists(st.tuples(st.sampled_from([GET, POST, CHUNKED, OLD, EMPTY, CLOSING, FAULTY]), st.sampled_from((b"", *OFFERS))), max_size=5),
    st.lists(st.integers(0, 2000), max_size=8),
)
@example([(FAULTY, JDK), (GET, b"")], [])
@example([(CLOSING, JDK), (GET, b"")], [1])
@example([(OLD, JDK), (GET, JDK)], [])
def test_requests_come_to_the_same_with_an_offer_and_without(requests: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    offering_all = [offering(request, offer) for request, offer in requests]
    assert served(b"".join(offering_all), cuts) == served(b"".join(without_upgrade(request) for request in offering_all), [])
