"""One HTTP/1.1 connection without IO: `receive` takes bytes, requests go up one at a time, responses come down as bytes in `out`.

`towpath._wire.http1.request_parser` reads the requests. A client may send them before the last response has ended. They wait here, and
reading stops while any does, so no more waits than one read has brought. One that is malformed is refused in its turn. Responses have the
version of their request.

A response may end before its request. The rest of the request is then read and dropped, within limits: a connection that is closed while
its client still sends is reset by TCP, and the client loses the response (RFC 9112, section 9.6).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import httptools

from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http1.fault import Fault, first_lines
from towpath._wire.http1.limits import Http1Limits
from towpath._wire.http1.request_parser import RequestParser
from towpath._wire.http1.stream import NOBODY, Http1ConnectionDelegate, Http1Stream
from towpath._wire.http1.waiting_body import WaitingBody, waiting_size

_BODILESS: Final = frozenset({204, 304})
_COLON: Final = b": "


class Http1Connection(RequestParser):
    """The server's end of a connection."""

    def __init__(self, delegate: Http1ConnectionDelegate, limits: Http1Limits | None = None) -> None:
        super().__init__(delegate, limits or Http1Limits())
        self.out: list[bytes] = []
        self._closed = False
        self.waiting: deque[Callable[[], None]] = deque()
        """Requests that wait for their turn, as the events that are still to be told."""
        # The request that is being served, and its response.
        self._stream: Http1Stream | None = None
        self._request_ended = True
        self.unread = 0
        """Bytes of the body that have come and that the layer above has not taken. Beyond `Http1Limits.max_unread` reading stops."""
        self._blocked = False  # whether the client does not read
        self._old = self._bodiless = self._chunked = self._begun = self._sized = False
        self._head: list[bytes] | None = None
        self._response_ended = True
        self._turning = False
        self._discarding = False
        """Whether the response has ended before the request, whose rest is dropped."""
        self._discarded = 0
        self._input_ended = self._refused = False  # refused: what came last is malformed, and is told in its turn

    @property
    def idle(self) -> bool:
        """Whether no request is under way or waits."""
        return self._stream is None and not self.waiting and self._in_head and not self._opened and not self._rest

    @property
    def serving(self) -> Http1Stream | None:
        """The request that is being served."""
        return self._stream

    @property
    def request_ended(self) -> bool:
        """Whether the request that is being served has come whole, or there is none."""
        return self._request_ended

    # Called by the transport.

    def _ignores(self, size: int) -> bool:
        if self._closed:
            self._discard(size)
        return self._closed or self._refused or (self._last and self._stream is not None and self._request_ended)

    def input_ended(self) -> None:
        """The client has closed its half of the connection. It may still wait for the responses to what it has sent."""
        if self._closed:
            self._delegate.finished()
        if self._closed or self._input_ended:
            return
        self._input_ended = True
        if self.waiting or (self._request_ended and self._stream is not None):
            self.waiting.append(self._no_more)
        else:
            self._no_more()

    @property
    def backlog(self) -> int:
        """Bytes that are kept of requests that wait for their turn, about."""
        return waiting_size(self.waiting)

    def overdrawn(self, reason: str) -> None:
        """End the connection, since too much is kept for it."""
        self._fail(Fault(503, reason))

    def timeout(self) -> None:
        """End the connection, since its client takes too long to send a head."""
        self._fail(Fault(408, "the request's head did not come in time"))

    def announce_shutdown(self) -> None:
        """Serve the requests that have come, and no more."""
        if self.idle:
            self._end()
        self._last = True

    def lost(self, reason: str) -> None:
        """End the stream, since the transport is gone."""
        self._closed = True
        self.waiting.clear()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.reset_received(reason)

    def let_go(self) -> None:
        """Forget the delegate and the parser, once the transport is gone. Both refer to the connection, and such a circle stays until the
        garbage collector looks for it."""
        self._delegate = NOBODY
        self._parser = httptools.HttpRequestParser(None)

    def writing_paused(self) -> None:
        """The client does not read its responses. It gets no more of them, so the requests that it has sent wait, and reading stops."""
        self._blocked = True
        self._pause()

    def writing_resumed(self) -> None:
        """The client reads its responses again."""
        self._blocked = False
        self._next()

    # Requests, one at a time.

    def _request(self, head: Section, *, old: bool, last: bool, has_body: bool) -> None:
        if self._closed or self.waiting or self._blocked or self._stream is not None:
            self._in_turn(lambda: self._begin(head, old=old, last=last, has_body=has_body))
        else:
            self._begin(head, old=old, last=last, has_body=has_body)

    def _body_piece(self, data: bytes) -> None:
        last = self.waiting[-1] if self.waiting else None
        if isinstance(last, WaitingBody):
            last.add(data)
        else:
            self._in_turn(WaitingBody(self._body, data))

    def _body_end(self) -> None:
        self._in_turn(self._ended)

    def _in_turn(self, event: Callable[[], None]) -> None:
        if self._closed:  # by what came before in the same read
            return
        if self.waiting or (self._request_ended and (self._blocked or self._stream is not None)):
            self.waiting.append(event)
            self._pause()
        else:
            event()

    def _begin(self, head: Section, *, old: bool, last: bool, has_body: bool) -> None:
        self._old = old
        self._last = self._last or last
        self._request_ended = not has_body
        self._response_ended = False
        self._bodiless = head.method == b"HEAD"
        self.unread, self._head = 0, None
        stream = self._stream = self._delegate.accept(head)
        stream.head_received(head, end=not has_body)
        if not has_body:
            if self._response_ended:
                self._next()
        elif not old and not self._response_ended and dict(head.fields).get(b"expect", b"").lower() == b"100-continue":
            self.out.append(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _body(self, data: bytes) -> None:
        stream = self._stream
        if stream is None or self._discarding:
            self._discard(len(data))
            return
        self.unread += len(data)
        if self.unread > self._limits.max_unread:
            self._pause()
        stream.data_received(data, False)

    def _ended(self) -> None:
        self._request_ended = True
        if self._stream is not None and not self._response_ended:
            self._stream.data_received(b"", True)
        self._next()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > self._limits.max_discarded:
            self._end()

    def _no_more(self) -> None:
        """Nothing follows the requests that were served."""
        if self._request_ended or self._discarding:
            self._end()
        else:
            self.lost("the client has ended in the middle of its request")
            self._delegate.finished()

    def _next(self) -> None:
        """Go on to the request that waits, once both halves of the one before it have ended."""
        if self._turning:  # called from within this loop
            return
        self._turning = True
        while self._response_ended and self._request_ended and not self._closed and not self._blocked:
            self._stream = None
            self.unread = 0  # the rest of the body will not be taken
            if self._last:
                self._end()
            if not self.waiting or self._closed:
                break
            # A request's head, its body and its end.
            while self.waiting and (self._stream is None or not self._request_ended):
                self.waiting.popleft()()
        self._turning = False
        if not self.waiting and self.unread <= self._limits.max_unread:
            self._resume()

    def _resume(self) -> None:
        if self._reading_paused and not self._closed and not self._blocked:
            self._reading_paused = False
            self._delegate.resume_reading()

    # Called by the layer above.

    def consumed(self, size: int) -> None:
        """`size` bytes of the body were taken."""
        self.unread -= size
        if self.unread <= self._limits.max_unread and not self.waiting:
            self._resume()

    def send_head(self, head: Template, fields: Sequence[Field], *, end: bool, sized: bool = False) -> None:
        """Send the response's head, with `fields` at its end. It leaves with the body's first piece, and tells its size unless `sized`."""
        status, first = head.http1 or first_lines(head)
        self._head = [first, *[b"%s: %s\r\n" % field for field in fields]]
        self._sized = sized
        if status in _BODILESS:
            self._bodiless = self._sized = True
        if end:
            self.send_data(b"", end=True)

    def send_whole(self, head: Template, fields: Sequence[Field], data: bytes, *, sized: bool = False) -> None:
        """Send a response in one piece: its head, as `send_head` does, and all of its body."""
        status, first = head.http1 or first_lines(head)
        if self._last or self._old or self._bodiless or not self._request_ended or status in _BODILESS:
            self.send_head(head, fields, end=False, sized=sized)
            self.send_data(data, end=True)
            return
        # INLINED: Http1Connection.send_head and send_data, for nearly every response: eight function calls are two.
        lines = [*map(_COLON.join, fields)]
        if not sized:
            lines.append(b"content-length: %d" % len(data))
        self.out.append(first + b"\r\n".join(lines) + b"\r\n\r\n" + data)
        self._response_ended = True
        self._next()

    def send_data(self, data: bytes, *, end: bool) -> None:
        """Send a piece of the response's body; with `end` the last."""
        head, self._head = self._head, None
        if head is not None:
            self._begun = True
            self._chunked = not (end or self._old or self._sized)
            if self._chunked:
                head.append(b"transfer-encoding: chunked\r\n")
            elif end and not self._sized:
                head.append(b"content-length: %d\r\n" % len(data))
            elif not self._sized:  # no chunks in an old version; the end of the connection is the end of the body
                self._last = True
            if not self._request_ended:
                self._last = True  # the rest of the request is not read, and would be taken for the next one
            if self._last:
                head.append(b"connection: close\r\n")
            elif self._old:
                head.append(b"connection: keep-alive\r\n")
            self.out += (*head, b"\r\n")
        if data and not self._bodiless:
            self.out += (b"%x\r\n" % len(data), data, b"\r\n") if self._chunked else (data,)
        if end:
            if self._chunked and not self._bodiless:
                self.out.append(b"0\r\n\r\n")
            self._finish()

    def cut(self) -> None:
        """End the connection, since the response cannot be finished: the client sees that it is not whole, by a reset if need be."""
        self._closed = True
        unframed = self._begun and not (self._chunked or self._sized)
        (self._delegate.reset if unframed else self._delegate.failed)("a response was cut short")

    def _finish(self) -> None:
        self._response_ended = True
        self._begun = False
        if self._request_ended:
            self._next()
        else:
            self._discarding = True
            self.unread = 0
            self._resume()
            self._delegate.linger()

    def _end(self) -> None:
        self._closed = True
        self._delegate.finished()

    def _refuse(self, fault: Fault) -> None:
        """Fail with `fault`, after the responses to the requests before the one that has it."""
        self._refused = True
        self._in_turn(lambda: self._fail(fault))

    def _fail(self, fault: Fault) -> None:
        if self._closed:
            return
        if self._discarding:  # the request had its response
            self._end()
            return
        stream, self._stream = self._stream, None
        # The fault becomes the response, unless one has begun.
        if not self._begun:
            self.out.append(fault.response())
        self._resume()
        self._closed = True
        self.waiting.clear()
        if stream is not None:
            stream.reset_received(str(fault))
        self._delegate.failed(str(fault))
