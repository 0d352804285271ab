"""One attempt at a call, on one connection: what happens around the wait for its outcome.

Calls of every protocol and kind run through here, so that all of them tell a breaker, outlier ejection and the balancer the same. The one
exception is a unary call over gRPC, see `towpath._transport.client.grpc_unary`.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

from towpath._core import clock
from towpath._core.calls.recording import KEPT_FIELD, PIN_FIELD, AttemptRows, note_kept
from towpath._core.context import Context, Criticality
from towpath._core.deadline import NO_SLOT, Slot
from towpath._core.errors import RpcError, locate
from towpath._core.service import MethodKind, MethodSpec
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._transport.client.endpoints.pool import Pool
from towpath._wire.hpack import literal
from towpath._wire.http.fields import Field
from towpath._wire.http2 import ErrorCode
from towpath._wire.protocol import ClientHalf

_KEPT_FIELD: Final = KEPT_FIELD.encode()


class AttemptStream(Protocol):
    """The HTTP/2 stream of an attempt."""

    @property
    def head_seen(self) -> bool:
        """Whether the head of the answer has come."""
        ...

    @property
    def head_at(self) -> float:
        """When it came, in seconds of the clock; 0 if that is not known."""
        ...

    def expire(self) -> None:
        """The deadline has passed."""
        ...

    def reset(self, code: ErrorCode) -> None:
        """End the stream; does nothing if it has ended."""
        ...


def pins_for(rows: AttemptRows, link: ClientLink) -> bytes:
    """What the head of a call over `link` says of traces that its server is to keep: the last of its fields, if there is any."""
    told = rows.take_pins(link.peer)
    return literal(PIN_FIELD, told) if told else b""


def literals_for(link: ClientLink, protocol: ClientHalf, ctx: Context, implied: Criticality, rows: AttemptRows | None = None) -> bytes:
    """What the head of one call over `link` says of `ctx`. Where that cannot be said, `link` has room for the next call that waits."""
    try:
        literals = protocol.literals(ctx, clock.now(), implied)
        return literals if rows is None or not rows.pins else literals + pins_for(rows, link)
    except BaseException:
        link.stream_ended()
        raise


async def link_for(pool: Pool, ctx: Context, method: MethodSpec[Any, Any], rows: AttemptRows | None) -> ClientLink:
    """`Pool.link_for`. With `rows`, an attempt that gets no connection leaves a row, and of any other it is known when it began."""
    if rows is None:
        return await pool.link_for(ctx, method)
    began = clock.now()
    try:
        link = await pool.link_for(ctx, method)
    except BaseException as error:
        rows.failed(ctx, ctx.peer, (began, 0.0, 0.0, 0.0), 0, error)
        raise
    return link


def look_for_kept(ctx: Context, trailers: Sequence[Field]) -> None:
    """Note it if the server keeps the call, as slow or failed."""
    if any(name == _KEPT_FIELD for name, _ in trailers):
        note_kept(ctx)


def note_failed(rows: AttemptRows, ctx: Context, link: ClientLink, sent: float, size: int, error: BaseException, *, answered: bool) -> None:
    """Record an attempt of `size` bytes over `link` that has ended with `error`. It was `answered` if an answer had begun."""
    read = link.read_at if answered else 0.0
    rows.failed(ctx, link.peer, (sent, sent, read, read), size, error)


class Attempt:
    """Enter it with the request of `stream` handed to `link`; the body waits for the outcome and decodes the answer.

    The request leaves with what else is written in this turn of the loop. `stream` expires at the deadline of `ctx`. The load of the
    endpoint is told how the attempt ended: an exception that leaves the body is its failure. After a failure the stream is reset. `rows`
    records it, with the `sizes` of the request and of the answer.
    """

    __slots__ = ("_begun", "_ctx", "_link", "_load", "_method", "_rows", "_sent", "_slot", "_stream", "sizes")

    _begun: Any
    _sent: float
    _slot: Slot

    def __init__(
        self, link: ClientLink, stream: AttemptStream, ctx: Context, method: MethodSpec[Any, Any], rows: AttemptRows | None = None
    ) -> None:
        self._rows = rows
        self.sizes = [0, 0]
        """Bytes of the request, and of the answer."""
        self._link = link
        self._stream = stream
        self._ctx = ctx
        self._method = method
        self._load = link.load

    def __enter__(self) -> Self:
        link = self._link
        self._sent = 0.0 if self._rows is None else clock.now()
        deadline = self._ctx.deadline
        link.schedule_flush()
        self._slot = NO_SLOT if deadline is None else link.wheel.add(deadline, self._stream)
        self._begun = None if self._load is None else self._load.begin(self._method.full_name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        link = self._link
        load = self._load
        if load is not None:
            if self._method.kind is not MethodKind.UNARY:
                load.streamed(self._begun, error)
            elif error is None:
                load.succeeded(self._begun)
            else:
                load.failed(self._begun, error)
        if self._rows is not None:
            self._record(self._rows, error)
        if isinstance(error, RpcError):
            locate(error, self._method.full_name, link.target, link.peer)
        if isinstance(error, (asyncio.CancelledError, RpcError)):
            self._stream.reset(ErrorCode.CANCEL)
            link.schedule_flush()  # also the reset of a call that expired: the wheel knows no link
            link.call_failed(error)
        self._slot.pop(self._stream, None)
        if link.needs_attention:
            link.stream_ended()

    def _record(self, rows: AttemptRows, error: BaseException | None) -> None:
        link, (request, response) = self._link, self.sizes
        if error is None:
            head_at = self._stream.head_at or link.read_at
            rows.succeeded(self._ctx, link.peer, (self._sent, self._sent, head_at, link.read_at), request, response)
        else:
            note_failed(rows, self._ctx, link, self._sent, request, error, answered=self._stream.head_seen)
