"""A client's connection over HTTP/1.1 on the server, and the request and response that a call over it has."""

import asyncio
from collections.abc import Sequence
from typing import Final

from towpath._transport.connection_driver import BUSY
from towpath._transport.server.call import Handling
from towpath._transport.server.connection import ServerLink, Site
from towpath._transport.server.exchange import ServerExchange, open_call
from towpath._transport.server.routes import DialectRoute, DirectResponse, GrpcUnaryRoute
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http1 import Http1Connection

_NEEDS_HTTP2: Final = WholeResponse(Template((b":status", b"505"), (b"content-type", b"text/plain")), (), b"this needs HTTP/2\n")


class Http1Link(ServerLink[Http1Connection]):
    """One client's connection; its requests come one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site) -> None:
        super().__init__(loop, site)
        self.connection = Http1Connection(self)
        self._asked = 0

    @property
    def asked(self) -> int:
        """How many requests have come."""
        return self._asked

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self.calls) or not (self.connection.idle or self.connection.awaits_head)

    def _begun(self) -> object:
        """The head of the request after so many; not while the one before it is under way, whose answer would be the 408."""
        return self._asked if self.connection.awaits_head and not self.calls else None

    def give_up(self, reason: str) -> None:
        """408 to who has begun to ask; who has not, only sees the connection end."""
        if self.connection.awaits_head:
            self.connection.timeout()
        else:
            self.failed(reason)

    def drain(self) -> None:
        """Answer what has come, then close."""
        self.draining = True
        self.connection.announce_shutdown()

    def close_if_idle(self) -> None:
        """Close once the last response has ended."""
        if not self.calls and self.connection.idle:
            self.close()

    def _unbegun(self) -> list[Handling]:
        stream = self.connection.serving
        call = stream.call if isinstance(stream, Http1Exchange) else None
        return [call] if call is not None and call.task is None else []

    # What the connection tells.

    def accept(self, head: Section) -> "Http1Exchange":
        """A request begins."""
        self._asked += 1
        route: GrpcUnaryRoute | DialectRoute | DirectResponse = head.route or self.site.routes.resolve(head)
        if isinstance(route, DirectResponse):
            return Http1Exchange(self, route.response)
        return Http1Exchange(self, _NEEDS_HTTP2 if isinstance(route, GrpcUnaryRoute) or route.needs_http2 else route)

    def pause_reading(self) -> None:
        """More has come than is taken."""
        self.hold(BUSY)

    def resume_reading(self) -> None:
        """Go on."""
        self.release(BUSY)

    def finished(self) -> None:
        """The last response has ended."""
        self.close()


class Http1Exchange:
    """One request and its response: the `towpath._transport.server.response_writer.ResponseWriter` of a call over HTTP/1.1."""

    __slots__ = ("_answer", "_call", "_connection", "_link")

    def __init__(self, link: Http1Link, answer: DialectRoute | WholeResponse) -> None:
        self._link = link
        self._connection = link.connection
        self._answer = answer
        self._call: ServerExchange | None = None

    @property
    def call(self) -> ServerExchange | None:
        """The call, once it has begun to come."""
        return self._call

    # What the connection tells.

    def head_received(self, head: Section, *, end: bool) -> None:
        """The call begins, or is answered at once."""
        answer = self._answer
        call = answer if isinstance(answer, WholeResponse) else open_call(self._link, self, answer, ())
        if isinstance(call, WholeResponse):
            self.send_head(call.head, call.fields, end=False)
            self.send_data(call.body, end=True)
            self._link.schedule_flush()
            return
        self._call = call
        call.begin(end=end)

    def data_received(self, data: bytes, end: bool) -> None:
        """A piece of the request."""
        if self._call is not None:
            self._call.data(data, end=end)

    def reset_received(self, reason: str) -> None:
        """The client is gone."""
        if self._call is not None:
            self._call.lost(reason)

    # What the call does.

    @property
    def queued(self) -> int:
        """Nothing waits for the client but in the transport, which says so itself."""
        return 0

    def send_head(self, head: Template, fields: Sequence[Field], *, end: bool) -> None:
        """The status line and the fields."""
        (_, status), *constant = head.fields
        self._connection.send_head(int(status), [*constant, *fields], end=end)

    def send_data(self, data: bytes, *, end: bool) -> None:
        """A piece of the body."""
        self._connection.send_data(data, end=end)

    def send_trailers(self, fields: Sequence[Field]) -> None:
        """The end. Trailers are gRPC's, which is not served over HTTP/1.1."""
        self._connection.send_data(b"", end=True)

    def abandon(self) -> None:
        """The response has ended. If the request has not, the connection ends with it."""

    def cut(self) -> None:
        """End the connection within the response."""
        self._connection.cut()

    def consumed(self, size: int) -> None:
        """Room for more of the request."""
        self._connection.consumed(size)
