"""Requests over HTTP/2 that no call comes of: those that are answered at once, and those that are refused."""

from collections.abc import Sequence

from towpath._transport.server.grpc_unary import Http2CallLink
from towpath._transport.server.routes import DirectResponse
from towpath._transport.server.unfinished_stream import UnfinishedStream
from towpath._wire.grpc.dialect import HEAD
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field, Section
from towpath._wire.http2 import ErrorCode, Stream


class DirectResponseStream(UnfinishedStream):
    """A request that no call comes of. It is answered at once, before its body has come, and otherwise ignored."""

    __slots__ = ("_connection", "_direct", "_link", "_reads_on")

    def __init__(self, link: Http2CallLink, direct: DirectResponse) -> None:
        super().__init__(link.connection)
        self._link = link
        self._connection = link.connection
        self._direct = direct
        self._reads_on = False
        self.unfinished()

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """Send the response."""
        response, connection = self._direct.answer(extra), self._connection
        literals = b"".join(literal(name, value) for name, value in response.fields)
        body = b"" if head.method == b"HEAD" else response.body
        self._reads_on = response.head is not HEAD
        connection.send_head(self, connection.encode(response.head, literals), end_stream=not body)
        if body:
            connection.send_body(self, body, end_stream=True)
        if self.queue or not body:
            self.finish(reads_on=self._reads_on)

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the request, which nobody reads."""
        self.drop(len(data))

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The request has ended."""
        self.ended()

    def reset_received(self, code: int, reason: str) -> None:
        """The client is gone."""
        self.ended()

    def drained(self) -> None:
        """The response has gone, which may have waited for the client's window."""
        self.finish(reads_on=self._reads_on)


class RefusedStream(Stream):
    """A request that is not taken, because there are too many. It is reset with REFUSED_STREAM, by which a client knows that nothing was
    begun and that it may send the request again (RFC 9113, section 8.7). A response with a status would leave the client to guess."""

    __slots__ = ("_link",)

    def __init__(self, link: Http2CallLink) -> None:
        super().__init__(link.connection)
        self._link = link

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """Reset the stream."""
        self.reset(ErrorCode.REFUSED_STREAM)
        self._link.schedule_flush()
