"""Requests that are known by their bytes: they mean what llhttp has read in the same bytes, and it does not see them again."""

from collections.abc import Sequence
from typing import Any

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.http1.recording import CHUNKED, GET, POST, Request, Server, answer
from towpath._wire.http1 import Http1Limits

FIELDS = (b"Host: x", b"host:x", b"Host: x\r\nAccept: */*", b"Host: x\r\nX-Long: " + b"y" * 300)
LENGTHS = (b"", b"\r\nContent-Length: 0", b"\r\nContent-Length: 3", b"\r\nContent-Length: 3\r\nExpect: 100-continue")
ENDS = (b"", b"\r\nConnection: close", b"\r\nUpgrade: h2c\r\nConnection: Upgrade", b"\r\nTransfer-Encoding: chunked")


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What llhttp gets to see."""
    seen: list[bytes] = []

    class Parser(httptools.HttpRequestParser):
        def feed_data(self, data: Any) -> None:
            seen.append(bytes(data))
            super().feed_data(data)

    monkeypatch.setattr(httptools, "HttpRequestParser", Parser)
    return seen


def test_a_request_that_came_before_is_not_parsed_again(fed: list[bytes]) -> None:
    server = Server()
    for _ in range(3):
        server.connection.receive(GET)
        server.connection.receive(POST)
    assert fed == [GET, POST]
    assert server.sent() == (answer(b"/a", b"") + answer(b"/b", b"abc")) * 3
    assert server.requests[-1].head is server.requests[1].head
    assert server.connection.idle


def test_a_body_may_be_another_one_of_the_same_length(fed: list[bytes]) -> None:
    server = Server()
    for body in (b"abc", b"def", b"\r\n\r"):
        server.connection.receive(POST[:-3] + body)
    assert len(fed) == 1
    assert [request.body for request in server.requests] == [b"abc", b"def", b"\r\n\r"]


def test_a_path_may_be_another_one_of_plain_characters(fed: list[bytes]) -> None:
    server = Server()
    for path in (b"/a", b"/b/%20c?d=e&f", b"/b/%20c?d=e&f", b"*", b'/"', b'/"', b"http://y/z", b"http://y/z"):
        server.connection.receive(GET.replace(b"/a", path))
    assert [data.split()[1] for data in fed] == [b"/a", b"*", b'/"', b"http://y/z"]
    assert [request.head.path for request in server.requests] == [
        b"/a",
        b"/b/%20c?d=e&f",
        b"/b/%20c?d=e&f",
        b"*",
        b'/"',
        b'/"',
        b"/z",
        b"/z",
    ]


def test_paths_are_remembered_up_to_a_number(fed: list[bytes]) -> None:
    server = Server()
    for number in range(1000):
        server.connection.receive(GET.replace(b"/a", b"/%d" % number))
    assert len(fed) == 1
    assert [request.head.path for request in server.requests] == [b"/%d" % number for number in range(1000)]


def test_a_head_that_grows_beyond_the_limit_is_refused() -> None:
    server = Server(limits=Http1Limits(max_head=100))
    assert server.status(GET) == 200
    assert server.status(GET.replace(b"/a", b"/" + b"a" * 60)) == 200
    assert server.status(GET.replace(b"/a", b"/" + b"a" * 100)) == 431


def test_a_head_is_known_only_if_it_is_small(fed: list[bytes]) -> None:
    server = Server()
    many = b"".join(b"X-%02d:%s\r\n" % (number, b"y" * 70) for number in range(98)) + b"\r\n"
    large = GET[:-2] + many
    large = large.replace(b"X-00:", b"X-00:" + b"y" * (8 * 1024 - len(large)))  # more would be parsed in pieces
    for data in (large[:6_000] + b"\r\n\r\n", large):
        fed.clear()
        for _ in range(3):
            server.connection.receive(data)
    assert fed == [large] * 3  # the bytes would be kept beside the fields
    assert server.sent().count(b"200 OK") == 6


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"GET", b"PUT"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET + GET,
        GET + b"\r\n",
        b"\r\n" + GET,
        GET[:-2],
        GET.replace(b"GET /a", b"GET"),
        GET.replace(b" HTTP/1.1", b""),
    ],
)
def test_what_differs_is_parsed(fed: list[bytes], other: bytes) -> None:
    server = Server()
    server.connection.receive(GET)
    server.connection.receive(other)
    assert fed[:2] == [GET, other]


def test_a_request_behind_half_a_one_is_the_rest_of_it() -> None:
    server = Server()
    server.connection.receive(GET)
    server.connection.receive(POST[:-3])
    server.connection.receive(GET)
    assert server.requests[1].body == GET[:3]
    assert server.over


def test_nothing_is_served_behind_the_last_request() -> None:
    server = Server()
    server.connection.receive(GET)
    server.connection.receive(GET.replace(b"Host", b"Connection: close\r\nHost"))
    server.connection.receive(GET)
    assert len(server.requests) == 2


def test_a_known_request_waits_for_its_turn() -> None:
    server = Server(lambda _: None)
    for _ in range(3):
        server.connection.receive(GET)
        server.connection.receive(POST)
    assert len(server.requests) == 1
    server.answer = Server().answer
    server.answer(server.requests[0])
    assert server.sent() == (answer(b"/a", b"") + answer(b"/b", b"abc")) * 3


_REQUESTS = st.tuples(
    st.sampled_from((b"GET /", b"GET /a?b=c", b"POST /%41", b"GET *", b"HEAD http://y/z", b"GET /a b", b"GETS /", b"GET /\xe4", b'GET /"')),
    st.sampled_from((b" HTTP/1.1\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/1.2\r\n")),
    st.sampled_from(FIELDS),
    st.sampled_from(LENGTHS),
    st.sampled_from(ENDS),
    st.just(b"\r\n\r\n"),
    st.sampled_from((b"", b"abc", b"abcd", b"0\r\n\r\n", b"\r\n")),
).map(b"".join)
_BYTES = st.sampled_from((b"", b" ", b"\r", b"\n", b"\r\n", b"\x00", b":", b"a"))


def spoilt(data: bytes, place: int, instead: bytes, size: int) -> bytes:
    return data[:place] + instead + data[place + size :]


_SPOILT = st.builds(spoilt, _REQUESTS, st.integers(0, 60), _BYTES, st.integers(0, 2))


@settings(max_examples=300, deadline=None)
@given(st.lists(_REQUESTS | _SPOILT, max_size=3), st.lists(st.integers(0, 2), max_size=8))
@example([GET, POST, CHUNKED], [0, 0, 1, 1, 2, 2, 0, 1])
@example([GET, GET.replace(b"/a", b"/" + b"b" * 40)], [0, 1, 0, 1])
def test_all_means_the_same_as_without_knowing(pool: Sequence[bytes], order: Sequence[int]) -> None:
    knowing, parsing = Server(), Server()
    for index in order:
        if index < len(pool) and pool[index]:
            knowing.connection.receive(pool[index])
            parsing.connection.receive(pool[index][:1])  # what comes in two reads is not known by its bytes
            parsing.connection.receive(pool[index][1:])
        assert knowing.sent() == parsing.sent()
        assert knowing.over == parsing.over
        assert knowing.connection.idle == parsing.connection.idle
    for server in (knowing, parsing):
        server.connection.input_ended()
    assert knowing.over == parsing.over
    assert [said(request) for request in knowing.requests] == [said(request) for request in parsing.requests]


def said(request: Request) -> tuple[object, ...]:
    head = request.head
    return head.method, head.path, head.authority, head.fields, head.content_length, request.body, request.ended, request.lost
