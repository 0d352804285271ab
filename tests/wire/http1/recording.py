"""The owner of a connection and its requests, as tests see them: what came in, and what the connection said in return."""

from collections.abc import Callable

from towpath._wire.http.fields import Section, Template
from towpath._wire.http1 import Http1Connection, Http1Limits

Answering = Callable[["Request"], None]


def head(status: int) -> Template:
    """The head of a response with nothing but this status."""
    return Template((b":status", b"%d" % status))


class Request:
    """Hears one request, and answers it when it has ended, unless told otherwise."""

    def __init__(self, server: "Server", head: Section) -> None:
        self.server = server
        self.head = head
        self.body = b""
        self.ended = False
        self.lost = ""

    def head_received(self, head: Section, *, end: bool) -> None:
        if end:
            self.end()

    def data_received(self, data: bytes, end: bool) -> None:
        self.body += data
        if self.server.takes:
            self.server.connection.consumed(len(data))
        if end:
            self.end()

    def reset_received(self, reason: str) -> None:
        self.lost = reason

    def end(self) -> None:
        self.ended = True
        self.server.answer(self)


class Server:
    """The owner of a connection."""

    def __init__(self, answer: Answering | None = None, *, limits: Http1Limits | None = None, takes: bool = True) -> None:
        self.answer = answer or echo
        self.takes = takes
        self.requests: list[Request] = []
        self.reading = True
        self.over = ""
        self.time = 0.0
        self.floods = 0
        self.unwanted = False
        self.lingers = False
        self.connection = Http1Connection(self, limits)
        self.connection.begin()

    def now(self) -> float:
        return self.time

    def flooded(self) -> None:
        self.floods += 1

    def accept(self, head: Section) -> Request:
        if self.unwanted:
            self.connection.count_unwanted()
        self.requests.append(Request(self, head))
        return self.requests[-1]

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def linger(self) -> None:
        self.lingers = True

    def finished(self) -> None:
        self.over = "finished"

    def failed(self, reason: str) -> None:
        self.over = reason

    def reset(self, reason: str) -> None:
        self.over = f"reset: {reason}"

    def turns(self) -> None:
        """As many turns as it takes until nothing is behind, or reading stops."""
        while self.connection.behind and self.reading:
            self.connection.go_on()

    def sent(self) -> bytes:
        data = b"".join(self.connection.out)
        self.connection.out.clear()
        return data

    def status(self, data: bytes) -> int:
        self.connection.receive(data)
        return int(self.sent().split(b" ")[1])


def echo(request: Request) -> None:
    connection = request.server.connection
    connection.send_head(head(200), [(b"x-path", request.head.path)], end=False)
    connection.send_data(request.body, end=True)


def silent(request: Request) -> None:
    """Leaves the answer to the test."""


def in_pieces(request: Request) -> None:
    connection = request.server.connection
    connection.send_head(head(200), [], end=False)
    connection.send_data(b"ab", end=False)
    connection.send_data(b"", end=False)
    connection.send_data(b"c", end=True)


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: z\r\n\r\n"


def answer(path: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nx-path: %s\r\ncontent-length: %d\r\n\r\n%s" % (path, len(body), body)


ANSWERS = answer(b"/a", b"") + answer(b"/b", b"abc") + answer(b"/c", b"abcde")
