"""Responses that are sent in one piece are those that are sent in two, by Http1Connection.send_head and send_data."""

from itertools import product

import pytest

from tests.wire.http1.recording import GET, POST, Request, Server, head
from towpath._wire.http.fields import Field, Template

REQUESTS = (
    GET,
    POST,
    GET.replace(b"GET", b"HEAD"),
    GET.replace(b"1.1", b"1.0"),
    GET.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"),
    GET.replace(b"Host", b"Connection: close\r\nHost"),
    GET + POST,
)
FIELDS: tuple[list[Field], ...] = ([], [(b"x-a", b"1")], [(b"x-a", b"1"), (b"x-b", b"")])


@pytest.mark.parametrize("request_bytes", REQUESTS)
def test_a_response_in_one_piece_is_that_in_two(request_bytes: bytes) -> None:
    heads = [head(200), Template((b":status", b"404"), (b"content-type", b"text/plain")), head(204), head(304)]
    for first, fields, data, sized in product(heads, FIELDS, (b"", b"abc"), (False, True)):
        given = [*fields, (b"content-length", b"%d" % len(data))] if sized else fields

        def whole(request: Request) -> None:
            request.server.connection.send_whole(first, given, data, sized=sized)  # noqa: B023 # it ends before the next turn

        def in_two(request: Request) -> None:
            request.server.connection.send_head(first, given, end=False, sized=sized)  # noqa: B023
            request.server.connection.send_data(data, end=True)  # noqa: B023

        servers = Server(whole), Server(in_two)
        for server in servers:
            server.connection.receive(request_bytes)
            server.connection.receive(GET)
        one, two = servers
        assert one.sent() == two.sent()
        assert one.over == two.over
        assert one.connection.idle == two.connection.idle
        assert len(one.requests) == len(two.requests)


def test_a_response_in_one_piece_to_half_a_request_ends_the_connection() -> None:
    server = Server()
    server.connection.receive(POST[:-1])
    server.connection.send_whole(head(200), [], b"abc")
    assert server.sent() == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
    assert server.lingers
