"""One unary call on the client, in any protocol: the answer is gathered by its reader and settled when the response has ended.

Over gRPC a call takes `towpath._transport.client.grpc_unary` instead, which does the same in fewer steps.
"""

import asyncio
from collections.abc import Sequence

from google.protobuf.message import Message

from towpath._core.calls.recording import AttemptRows
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, deadline_exceeded, not_a_message
from towpath._core.service import Handler, MethodSpec
from towpath._transport.client.attempt import Attempt, link_for, literals_for, look_for_kept
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.pool import Pool
from towpath._transport.decoding_thread import check_apart, decoded
from towpath._wire.compression import Compression
from towpath._wire.elements import UNCHECKED
from towpath._wire.grpc import status
from towpath._wire.http.fields import Field, Section, Template
from towpath._wire.http2 import ErrorCode, Stream
from towpath._wire.http2.connection import Connection
from towpath._wire.http2.states import CLOSED
from towpath._wire.protocol import ClientHalf
from towpath._wire.response_reader import UnaryResponseReader


class UnaryStream(Stream):
    """Await `answer` for the response message's bytes; it raises RpcError."""

    __slots__ = ("_ctx", "_reader", "answer", "head_at", "link")

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, ctx: Context, reader: UnaryResponseReader) -> None:
        Stream.__init__(self, connection)
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self._ctx = ctx
        self._reader = reader
        self.head_at = 0.0
        """When the head of the answer came, in seconds of the clock; 0 if that is not recorded."""
        self.link: ClientLink | None = None
        """The connection, if that is recorded."""

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins."""
        if self.link is not None:
            self.head_at = self.link.read_at
        reader = self._reader
        fields = (*head.fields, *extra)
        try:
            reader.head(head.status, fields)
        except RpcError as error:
            self._fail(error)
            return
        if end_stream and not reader.ends_in_body:
            self._finish(fields)
            return
        reply = self._ctx.cached_reply
        if reply is not None:
            reply.headers = reader.headers
        if end_stream:
            self._body_ended()

    def data_received(self, data: bytes, end_stream: bool) -> None:
        """A piece of the answer."""
        if self.answer.done():
            return
        try:
            self._reader.feed(data)
        except RpcError as error:
            self._fail(error)
            return
        self.consumed(len(data))
        if end_stream:
            self._body_ended()

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end of the answer by HTTP's own trailers."""
        self._finish((*trailers.fields, *extra))

    def reset_received(self, code: int, reason: str) -> None:
        """The call is over before its end."""
        self._settle(status.from_reset(code, reason, answering=self.head_seen))

    def expire(self) -> None:
        """The deadline has passed: stop waiting, and tell the server to stop working."""
        self._fail(deadline_exceeded(self._ctx.method))

    # What becomes of it.

    def _body_ended(self) -> None:
        if self._reader.ends_in_body:
            self._finish(())
        else:
            self._fail(RpcError(Code.INTERNAL, "the server ended the call without trailers"))

    def _finish(self, fields: Sequence[Field]) -> None:
        try:
            outcome: bytes | RpcError = self._reader.end(fields)
        except RpcError as error:
            outcome = error
        look_for_kept(self._ctx, fields)
        reply = self._ctx.cached_reply
        if reply is not None:
            reply.trailers = self._reader.trailers
        self._settle(outcome)
        if self.state != CLOSED:
            self.reset(ErrorCode.NO_ERROR)  # the server answered before it had read the whole request

    def _fail(self, error: RpcError) -> None:
        self._settle(error)
        self.reset(ErrorCode.CANCEL)

    def _settle(self, outcome: bytes | RpcError) -> None:
        answer = self.answer
        if answer.done():
            return
        if isinstance(outcome, RpcError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def unary_handler(
    pool: Pool,
    method: MethodSpec[Message, Message],
    head: Template,
    protocol: ClientHalf,
    *,
    limit: int,
    compression: Compression | None,
    rows: AttemptRows | None = None,
) -> Handler:
    """The innermost handler of a unary `method`: one attempt in `protocol`."""
    response_type = method.response
    implied = method.default_criticality

    async def attempt(request: Message, ctx: Context) -> Message:
        try:
            message = request.SerializeToString()
        except AttributeError:
            raise not_a_message(request, method.full_name, method.request) from None
        body = protocol.unary_body(message, compression)  # what may raise comes before a guard has let the attempt pass
        link = pool.available(ctx, method) or await link_for(pool, ctx, method, rows)
        stream = UnaryStream(link.connection, link.loop, ctx, protocol.unary_reader(limit))
        if rows is not None:
            stream.link = link
        link.connection.request(stream, head, literals_for(link, protocol, ctx, implied, rows), body)
        with Attempt(link, stream, ctx, method, rows) as tried:
            tried.sizes[0] = len(body)
            answer = await stream.answer
            tried.sizes[1] = len(answer)
            if len(answer) > UNCHECKED:
                await check_apart(response_type, answer, limit, ctx)
            return decoded(response_type, answer)

    return attempt
