"""A streaming call on the client in a protocol whose answer ends within its body: Connect and gRPC-Web."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from towpath.core.calls import ClientExchange
from towpath.core.errors import RpcError
from towpath.transport.client.grpc_stream import ClientStream
from towpath.transport.connection_driver import Link
from towpath.wire.answer import StreamedAnswer
from towpath.wire.compression import Compression
from towpath.wire.http.fields import Field, Section
from towpath.wire.http2 import ClientConnection, ErrorCode
from towpath.wire.http2.states import CLOSED


class SpokenStream(ClientStream):
    """A `ClientStream` whose responses and end `answer` reads; requests are enveloped as gRPC's are."""

    __slots__ = ("_answer",)

    def __init__(
        self,
        link: Link[ClientConnection],
        exchange: ClientExchange[Any, Any],
        response: type[Message],
        limit: int,
        answer: StreamedAnswer,
        compression: Compression | None,
    ) -> None:
        super().__init__(link, exchange, response, limit, compression)
        self._answer = answer

    def head_received(self, head: Section, extra: Sequence[Field], end_stream: bool) -> None:
        """The answer begins."""
        try:
            self._answer.head(head.status, (*head.fields, *extra))
        except RpcError as error:
            self._fail(error)
            return
        self._reader = self._answer
        self._exchange.ctx.reply.headers = self._answer.headers
        if end_stream:
            self.body_ended()
        else:
            self._exchange.wake()

    def body_ended(self) -> None:
        """The last message has said how the call ended."""
        self._conclude(())

    def trailers_received(self, trailers: Section, extra: Sequence[Field]) -> None:
        """The end of the answer by HTTP's own trailers, which these protocols do without."""
        self._conclude((*trailers.fields, *extra))

    def _conclude(self, fields: Sequence[Field]) -> None:
        outcome: RpcError | None = None
        try:
            self._answer.end(fields)
        except RpcError as error:
            outcome = error
        self._exchange.ctx.reply.trailers = self._answer.trailers
        self._settle(outcome)
        if self.state != CLOSED:
            self.reset(ErrorCode.NO_ERROR)  # the server answered before it had read all requests
