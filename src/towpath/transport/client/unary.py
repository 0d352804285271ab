"""One unary call on the client in a protocol beside gRPC: the answer is gathered by its reader and settled when the response has ended.

gRPC's own unary calls are `towpath.transport.client.grpc_unary`, which pays for none of this.
"""

import asyncio
from collections.abc import Sequence

from google.protobuf.message import DecodeError, Message

from towpath.core.context import Context
from towpath.core.deadline import NO_SLOT
from towpath.core.errors import Code, RpcError
from towpath.core.service import Handler, MethodSpec
from towpath.transport.client.endpoints.pool import Pool
from towpath.wire.answer import WholeAnswer
from towpath.wire.compression import Compression
from towpath.wire.elements import UNCHECKED, check_elements
from towpath.wire.grpc import status
from towpath.wire.http.fields import Field, Section, Template
from towpath.wire.http2 import ErrorCode, Stream
from towpath.wire.http2.connection import Connection
from towpath.wire.http2.states import CLOSED
from towpath.wire.spoken import Spoken


class WholeCall(Stream):
    """Await `answer` for the response message's bytes; it raises RpcError."""

    __slots__ = ("_ctx", "_reader", "answer")

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, ctx: Context, reader: WholeAnswer) -> None:
        Stream.__init__(self, connection)
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self._ctx = ctx
        self._reader = reader

    # What the connection tells.

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins."""
        try:
            self._reader.head(head.status, (*head.fields, *extra))
        except RpcError as error:
            self._fail(error)
            return
        reply = self._ctx.own_reply
        if reply is not None:
            reply.headers = self._reader.headers
        if end_stream:
            self._finish(())

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
            self._finish(())

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end of the answer by HTTP's own trailers, which these protocols do without."""
        self._finish((*trailers.fields, *extra))

    def reset_received(self, code: int, reason: str) -> None:
        """The call is over before its end."""
        self._settle(status.from_reset(code, reason, answering=self.head_seen))

    def expire(self) -> None:
        """The deadline has passed: stop waiting, and tell the server to stop working."""
        self._fail(RpcError(Code.DEADLINE_EXCEEDED, f"{self._ctx.method} did not finish within its deadline"))

    # What becomes of it.

    def _finish(self, fields: Sequence[Field]) -> None:
        try:
            outcome: bytes | RpcError = self._reader.end(fields)
        except RpcError as error:
            outcome = error
        reply = self._ctx.own_reply
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


def whole_attempt(
    pool: Pool, method: MethodSpec[Message, Message], head: Template, spoken: Spoken, *, limit: int, compression: Compression | None
) -> Handler:
    """The innermost handler of a unary `method`: one attempt in the protocol that is `spoken`."""
    response_type = method.response
    implied = method.default_criticality
    name = method.full_name

    async def attempt(request: Message, ctx: Context) -> Message:
        body = spoken.unary_body(request.SerializeToString(), compression)  # what may raise comes before a guard has let the attempt pass
        link = pool.sole
        if link is None or not link.connection.can_open():
            link = pool.pick(ctx, method) or await pool.link_for(ctx, method)
        connection = link.connection
        call = WholeCall(connection, link.loop, ctx, spoken.whole_answer(limit))
        connection.request(call, head, spoken.literals(ctx, implied), body)
        link.schedule_flush()
        slot = NO_SLOT if ctx.deadline is None else link.wheel.add(ctx.deadline, call)
        load = link.load
        began = 0.0 if load is None else load.begin(name)
        try:
            answer = await call.answer
        except (asyncio.CancelledError, RpcError) as error:
            if load is not None:
                load.failed(began, error)
            call.reset(ErrorCode.CANCEL)
            link.schedule_flush()  # also the reset of a call that expired: the wheel knows no link
            raise
        finally:
            slot.pop(call, None)
            if link.needs_attention:
                link.stream_ended()
        try:
            if len(answer) > UNCHECKED:
                check_elements(response_type, answer, limit)
            response = response_type.FromString(answer)
        except RpcError as fault:
            if load is not None:
                load.failed(began, fault)
            raise
        except DecodeError as error:
            fault = RpcError(Code.INTERNAL, f"the answer is not a {response_type.DESCRIPTOR.full_name}: {error}")
            if load is not None:
                load.failed(began, fault)
            raise fault from None
        if load is not None:
            load.succeeded(began)
        return response

    return attempt
