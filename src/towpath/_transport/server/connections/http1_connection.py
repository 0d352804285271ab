"""A client's connection over HTTP/1.1 on the server, and the request and response that a call over it has."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from towpath._core import clock
from towpath._core.errors import Code, RpcError
from towpath._transport.connection_driver import BUSY
from towpath._transport.server.call import Handling
from towpath._transport.server.call_opening import open_call, open_mounted
from towpath._transport.server.connections.buffer_budget import Kept
from towpath._transport.server.connections.connection import ServerLink, Site
from towpath._transport.server.connections.connection_limits import FLOOD
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.method_route import LARGE
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.routes import DialectRoute, DirectResponse, GrpcUnaryRoute, Route
from towpath._transport.socket_options import reset_on_close
from towpath._wire.cors import CorsFields
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http1 import Http1Connection

_LINGER: Final = 30.0
"""Seconds for which a client may go on with a request whose response has ended."""

_LAST_WORDS: Final = 5.0
"""Seconds that a client has to read why its request is refused, while what it still sends is dropped."""

_LAST_WORDS_SECURED: Final = 1.0
"""Seconds of the same behind TLS, where the client does not see the end of the response until the connection ends."""

_NEEDS_HTTP2: Final = WholeResponse(Template((b":status", b"505"), (b"content-type", b"text/plain")), (), b"this needs HTTP/2\n")

_LARGE: Final = 16 * 1024
"""Bytes of one piece of a response that are written at once. Of what gathers, the pieces are counted and not their bytes."""

_HALF_CLOSED: Final = 5.0
"""Seconds for which a client that has closed its half of the connection is answered."""


class Http1Link(ServerLink[Http1Connection]):
    """One client's connection; its requests come one at a time."""

    http_version = "1.1"

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site) -> None:
        super().__init__(loop, site)
        self.connection = Http1Connection(self, site.http1_limits)
        self._asked = 0

    @property
    def asked(self) -> int:
        return self._asked

    @property
    def busy(self) -> bool:
        return bool(self.calls) or not (self.connection.idle or self.connection.awaits_head)

    def _begun(self) -> object:
        """The head of the request after so many; not while the one before it is under way, whose answer would be the 408."""
        return self._asked if self.connection.awaits_head and not self.calls else None

    def give_up(self, reason: str) -> None:
        """A client that has begun to ask gets a 408. Another one only sees the connection end."""
        if self.connection.awaits_head:
            self.connection.timeout()
        else:
            self.failed(reason)

    @property
    def held(self) -> int:
        """Also what came behind the request that is being served, and belongs to no call yet."""
        return super().held + self.connection.backlog

    def kept(self) -> Iterator[Kept]:
        stream = self.connection.serving
        if isinstance(stream, Http1Exchange):
            yield stream

    def overdrawn(self, reason: str) -> None:
        unread = self.paused
        self.connection.overdrawn(reason)
        if unread:  # the client would not read the response either
            self.abort()

    def half_closed_time(self) -> float:
        """A few seconds: nothing tells such a client from one that has hung up, whose calls are to end."""
        return min(super().half_closed_time(), _HALF_CLOSED)

    def _input_ended(self) -> None:
        self.connection.input_ended()

    def drain(self) -> None:
        self.draining = True
        self.connection.announce_shutdown()

    def close_if_idle(self) -> None:
        if not self.calls and self.connection.idle:
            self.close()

    @property
    def owes_unasked(self) -> bool:
        return not (self.connection.request_ended or self.holds)

    def arriving(self) -> list[Handling]:
        stream = self.connection.serving
        call = stream.call if isinstance(stream, Http1Exchange) else None
        return [] if call is None else [call]

    def _unbegun(self) -> list[Handling]:
        return [call for call in self.arriving() if call.task is None]

    # What the connection tells.

    def accept(self, head: Section) -> "Http1Exchange":
        self._asked += 1
        if self.activity.quiet:
            self.activity.stir()
        route: Route = head.route or self.site.routes.resolve(head, self.belief)
        if type(route) is MountRoute:
            return Http1Exchange(self, route)
        if isinstance(route, DirectResponse):
            self.connection.count_unwanted()
            return Http1Exchange(self, route.answer(()))
        if isinstance(route, GrpcUnaryRoute):
            return Http1Exchange(self, _NEEDS_HTTP2)
        return Http1Exchange(self, _NEEDS_HTTP2 if route.needs_http2 else route, route.cors)

    def now(self) -> float:
        return clock.now()

    def flooded(self) -> None:
        self.site.connections.tell(FLOOD)

    def pause_reading(self) -> None:
        self.hold(BUSY)

    def resume_reading(self) -> None:
        self.release(BUSY)

    def linger(self) -> None:
        self._linger(_LINGER)

    def finished(self) -> None:
        self.close()

    def failed(self, reason: str) -> None:
        transport = self._transport
        self._linger(_LAST_WORDS if transport is not None and transport.can_write_eof() else _LAST_WORDS_SECURED)

    def reset(self, reason: str) -> None:
        transport = self._transport
        if transport is not None:
            reset_on_close(transport.get_extra_info("socket"))
        self.abort()

    def _linger(self, seconds: float) -> None:
        """Send what is left and the end, and read on for some time: a socket that is closed with something to read in it is reset, and its
        client loses the response."""
        self.flush()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.can_write_eof():
            try:
                transport.write_eof()
            except OSError:  # the client is gone, which a connection that is not read does not notice
                self.abort()
                return
        if self._cut is None:
            self._cut = self.loop.call_later(seconds, super().failed, "")


class Http1Exchange:
    """One request and its response: the `towpath._transport.server.response_writer.ResponseWriter` of a call over HTTP/1.1."""

    __slots__ = ("_answer", "_call", "_connection", "_cors", "_link")

    queued = 0
    """Nothing waits for the client but in the transport, which says so itself."""

    def __init__(self, link: Http1Link, answer: DialectRoute | MountRoute | WholeResponse, cors: CorsFields | None = None) -> None:
        self._link = link
        self._connection = link.connection
        self._answer = answer
        self._cors = cors
        self._call: ServerExchange | None = None

    @property
    def call(self) -> ServerExchange | None:
        """The call, once it has begun to come."""
        return self._call

    # What the connection tells.

    def head_received(self, head: Section, *, end: bool) -> None:
        answer = self._answer
        if type(answer) is MountRoute:
            call = open_mounted(self._link, self, answer, ())
        else:
            call = answer if isinstance(answer, WholeResponse) else open_call(self._link, self, answer, ())
        if isinstance(call, WholeResponse):
            self.send_whole(call.head, call.fields, call.body)
            self._link.schedule_flush()
            return
        self._call = call
        call.begin(end=end)

    def data_received(self, data: bytes, end: bool) -> None:
        if self._call is not None:
            self._call.data(data, end=end)

    def reset_received(self, reason: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.lost(reason)

    # What the budget of buffers asks.

    @property
    def held(self) -> int:
        """Bytes that are kept of the request."""
        return 0 if self._call is None else self._call.unread

    @property
    def retained(self) -> int:
        """None of an answer: see `queued`."""
        return 0

    def overdrawn(self, reason: str) -> None:
        """End the call, since too much is kept."""
        if self._call is not None:
            self._call.cancel(RpcError(Code.RESOURCE_EXHAUSTED, reason))
            self._link.schedule_flush()

    # What the call does.

    def send_head(self, head: Template, fields: Sequence[Field], *, end: bool, sized: bool = False) -> None:
        if self._cors is not None:
            head, fields = self._cors.added_to(head, fields)
        self._connection.send_head(head, fields, end=end, sized=sized)

    def send_whole(self, head: Template, fields: Sequence[Field], data: bytes, *, sized: bool = False) -> None:
        if self._cors is not None:
            head, fields = self._cors.added_to(head, fields)
        self._connection.send_whole(head, fields, data, sized=sized)
        if len(data) >= _LARGE:
            self._sent_large(len(data))

    def send_data(self, data: bytes, *, end: bool) -> None:
        self._connection.send_data(data, end=end)
        if len(data) >= _LARGE:
            self._sent_large(len(data))

    def _sent_large(self, size: int) -> None:
        self._link.flush()
        if size >= LARGE and isinstance(self._answer, DialectRoute):
            self._answer.method_route.large_answer = size

    def send_trailers(self, fields: Sequence[Field]) -> None:
        """The response ends. Trailers are gRPC's alone, which is not served over HTTP/1.1."""
        self._connection.send_data(b"", end=True)

    def abandon(self) -> None:
        """The response has ended. If the request has not, the connection ends with it."""
        if self._call is not None and self._call.task is None:
            self._call = None  # which refers to this exchange

    def handler_ended(self) -> None:
        self._call = None

    def cut(self) -> None:
        self._connection.cut()

    def consumed(self, size: int) -> None:
        self._connection.consumed(size)
