"""The HTTP/2 stream that carries a call of any protocol: events in one direction, frames in the other."""

from collections.abc import Sequence
from typing import Final

from towpath._core.errors import Code, RpcError
from towpath._transport.server.call_opening import open_call
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.grpc_unary import room_for_trailers
from towpath._transport.server.method_route import LARGE
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.routes import DialectRoute
from towpath._transport.server.unfinished_stream import LingeringLink, UnfinishedStream
from towpath._wire.dialect import WholeResponse
from towpath._wire.grpc import status
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ErrorCode, ServerConnection, Stream
from towpath._wire.http2.states import CLOSED

_CONTINUE: Final = Template((b":status", b"100"))
"""What a client waits for that has asked whether it may send its body (RFC 9110, section 10.1.1)."""


class Http2Exchange(UnfinishedStream):
    """The `towpath._transport.server.response_writer.ResponseWriter` of a call over HTTP/2."""

    __slots__ = ("_call", "_connection", "_finished", "_link", "_route")

    def __init__(self, link: LingeringLink, connection: ServerConnection, route: DialectRoute | MountRoute) -> None:
        Stream.__init__(self, connection)
        self._link = link
        self._connection = connection
        self._route = route
        self._call: ServerExchange | None = None
        self._finished = False

    @property
    def call(self) -> ServerExchange | None:
        """The call, once it has begun to come."""
        return self._call

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        call = open_call(self._link, self, self._route, extra)
        if isinstance(call, WholeResponse):
            self.send_head(call.head, call.fields, end=not call.body)
            if call.body:
                self.send_data(call.body, end=True)
            self.abandon()
            self._link.schedule_flush()
            return
        self._call = call
        if self._route.expects_continue and not end_stream:
            self._connection.send_head(self, self._connection.encode(_CONTINUE), end_stream=False)
            self._link.schedule_flush()
        call.begin(end=end_stream)

    def data_received(self, data: bytes, end_stream: bool) -> None:
        if self._finished:
            self.drop(len(data))
        elif self._call is not None:
            self._call.data(data, end=end_stream)

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """Trailers of a request mean nothing in any of the protocols, but they end the request."""
        if self._finished:
            self.ended()
        elif self._call is not None:
            self._call.request_over()

    def arrived(self) -> float | None:
        return None if self._call is None else self._call.began()

    def reset_received(self, code: int, reason: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.lost(reason)
        if self._finished:
            self.ended()

    def drained(self) -> None:
        call = self._call
        if call is not None:
            call.drained()
        if self._finished:
            self.abandon()
            self.ended()
            if call is not None and call.over and call not in self._link.calls:
                self._call = None

    # What the budget of buffers asks.

    @property
    def held(self) -> int:
        return self.retained + (0 if self._call is None else self._call.unread)

    def overdrawn(self, reason: str) -> None:
        call = self._call
        if call is not None and not self.queue:
            call.cancel(RpcError(Code.RESOURCE_EXHAUSTED, reason))
            return
        self._call = None
        if call is not None:
            call.lost(reason)
        if self._finished:
            super().overdrawn(reason)
        else:
            self.reset(ErrorCode.ENHANCE_YOUR_CALM)
            self._link.schedule_flush()

    # What the call does.

    def send_head(self, head: Template, fields: Sequence[Field], *, end: bool, sized: bool = False) -> None:
        if end:
            fields = self._fitting(fields)
        cors = self._route.cors
        if cors is not None:
            head, fields = cors.added_to(head, fields)
        literals = b"".join(literal(name, value) for name, value in fields)
        self._connection.send_head(self, self._connection.encode(head, literals), end_stream=end)

    def send_whole(self, head: Template, fields: Sequence[Field], data: bytes, *, sized: bool = False) -> None:
        self.send_head(head, fields, end=not data)
        if data:
            self.send_data(data, end=True)

    def send_data(self, data: bytes, *, end: bool) -> None:
        if len(data) >= LARGE:
            self._route.method_route.large_answer = len(data)
        if self._route.bodiless:
            if end:
                self._connection.send_body(self, b"", end_stream=True)
        elif end:
            self._connection.send_body(self, data, end_stream=True)
        else:
            self._connection.send_piece(self, data)
            if self.queue:
                self._link.buffers.grew(self._link, len(data))
            elif len(data) >= LARGE:
                self._link.flush()

    def send_trailers(self, fields: Sequence[Field]) -> None:
        """The trailers go behind the data that waits."""
        block = b"".join(literal(name, value) for name, value in self._fitting(fields))
        if self.queue:
            self._connection.send_body(self, b"", end_stream=False, trailers=block)
        else:
            self._connection.send_head(self, block, end_stream=True)

    def _fitting(self, fields: Sequence[Field]) -> Sequence[Field]:
        """No more of gRPC's trailers than the caller takes."""
        is_status = fields and fields[0][0] == b"grpc-status"
        return status.fitting(fields, room_for_trailers(self._connection)) if is_status else fields

    def abandon(self) -> None:
        """A caller may still be sending. One that streams, or that speaks gRPC, is told to stop."""
        if self.state == CLOSED:
            return
        if not self._finished:
            self._finished = True
            self.unfinished()
        call = self._call
        if call is not None:
            if self.queue:  # the call's deadline bounds how long the response may wait
                return
            if call.task is None:
                self._call = None  # which refers to this exchange
        self.finish(reads_on=self._route.reads_on)

    def cut(self) -> None:
        self.reset(ErrorCode.CANCEL)
        self._call = None

    def handler_ended(self) -> None:
        if not self.queue:
            self._call = None

    def consumed(self, size: int) -> None:
        before = self.unconsumed
        Stream.consumed(self, size)
        if self.unconsumed < before:
            self._link.schedule_flush()
