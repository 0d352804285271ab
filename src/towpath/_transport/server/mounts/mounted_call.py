"""One request to a mounted application: its body comes by `receive`, and its response goes by `send`.

It is a call like any other (`towpath._transport.server.exchange`): its deadline, its context, the layers around it and the limits of its
connection are those of a stream. Two things are ASGI's. An application whose client goes away is told so by `http.disconnect`, and has
some time before it is cancelled. And it may go on when its response has ended, as background tasks of Starlette do.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from towpath._core import clock
from towpath._core.calls.stream_handler import Exchange
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, first_cause
from towpath._core.service import Handler
from towpath._transport.connection_driver import MAX_SEND_QUEUE
from towpath._transport.server.call import CallLink
from towpath._transport.server.exchange import ServerExchange
from towpath._transport.server.method_route import LARGE
from towpath._transport.server.mounts.mount import Event, Mount
from towpath._transport.server.mounts.mount_route import MountRoute
from towpath._transport.server.mounts.request_body import NO_BODY, RequestBody
from towpath._transport.server.mounts.response_head import ResponseHead
from towpath._transport.server.response_writer import ResponseWriter
from towpath._wire.http.fields import Field

_AFTER_DISCONNECT: Final = 60.0
"""Seconds that an application has after `http.disconnect`."""

_MAX_IGNORED: Final = 256
"""Pieces of a response that an application may send to a client that is gone, before `send` raises."""

_BURST: Final = 64
"""Pieces of a response that an application may send before everybody else on the loop has a turn."""

_TOO_EARLY: Final = "http.response.body came before http.response.start"
_TOO_LATE: Final = "the response has ended, and http.response.body came again"

_CODES: Final = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ABORTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
"""The codes under which metrics count a response: google.rpc.Code's, read backwards."""


class ClientDisconnected(ConnectionError):
    """The application goes on to send to a client that is gone."""


class AnsweredError(RpcError):
    """The application has answered with a status of 400 or more. Layers see it as the call's end; the client has its response."""


class MountedCall(ServerExchange):
    """A request, from its head to the end of the application's work for it."""

    __slots__ = (
        "_begun",
        "_body",
        "_body_ended",
        "_extra",
        "_gone",
        "_head",
        "_ignored",
        "_left_of_length",
        "_lost",
        "_mount",
        "_route",
        "_waiting",
    )

    carries_messages = False  # which a layer could intercept

    def __init__(self, link: CallLink, writer: ResponseWriter, route: MountRoute, extra: Sequence[Field], ctx: Context) -> None:
        self._body = NO_BODY
        super().__init__(link, writer, route.method_route, NO_BODY, ctx)
        self._route = route
        self._mount = route.mount
        self._extra = extra
        self._head: ResponseHead | None = None
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._begun = self._body_ended = self._gone = self._lost = False
        self._ignored = 0
        self._left_of_length = -1

    @property
    def received(self) -> int | None:
        """Bytes of the body that have come, where the application has taken them and its client owes the rest."""
        return None if self._request_over or self._over or self._owed else self._body.received

    # What the HTTP exchange tells.

    def begin(self, *, end: bool) -> None:
        """The head has come: the application starts, unless the body will be too large."""
        if self._ctx.deadline is not None:
            self._slot = self._link.wheel.add(self._ctx.deadline, self)
        if end:
            self._request_over = True
        else:
            body = self._dialect = self._body = RequestBody(self._route.limit)
            try:
                body.check(self._route.content_length)
            except RpcError as error:
                self._unreadable(error)
                return
        self._start()

    def lost(self, reason: str) -> None:
        """The client is gone. The application is told, and cancelled only if it goes on for long. If it has not begun, it never does."""
        ended, task = self._over, self.task
        if task is None or not self._begun:
            super().lost(reason)
            return
        self._left_unstarted()
        self._gone = True
        self._over = True
        self._ended()
        self.drained()
        self._wake()
        if not ended and not task.done():
            self._lost = True
            self._slot = self._link.wheel.add(clock.now() + _AFTER_DISCONNECT, self)

    def expire(self) -> None:
        """The deadline has passed, or the time after the client's going."""
        if self._gone:
            self._stop("its client is gone")
        else:
            super().expire()

    def _large_answer(self) -> int:
        return self._mount.large_answers.get(self._route.page, 0)

    # What the application calls.

    def scope(self) -> dict[str, Any]:
        """The request's head, for an application that begins."""
        self._begun = True
        return self._route.scope(self._extra, self._link.asgi_facts)

    async def receive(self) -> Event:
        """The next piece of the body; after its end, wait until the client is gone or the response has ended."""
        while not self._over:
            if not self._body_ended:
                piece = self._take()
                if piece is not None or self._request_over:
                    self._body_ended = self._request_over
                    return {"type": "http.request", "body": piece or b"", "more_body": not self._request_over}
            waiting = self._link.loop.create_future()
            self._waiting[waiting] = None
            try:
                await waiting
            finally:  # frameworks begin to wait and give up at once, to look whether the client is still there
                self._waiting.pop(waiting, None)
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] # nobody else sends through it
        """Send the head or a piece of the response. Waits while the client does not read. Raises RuntimeError for an event that ASGI does
        not allow here, and ClientDisconnected where the client has long been gone."""
        kind = event["type"]
        if kind == "http.response.body":
            if self._gone:
                await self._ignore()
                return
            head, data, more = self._head, event.get("body", b""), event.get("more_body", False)
            if head is None or self._over:
                raise RuntimeError(_TOO_LATE if self._over else _TOO_EARLY)
            if type(data) is not bytes:
                data = bytes(data)
            left = self._left_of_length
            if left >= 0:
                left = self._left_of_length = left - len(data)
                if left < 0 or (left and not more):
                    raise RuntimeError(f"the response's body is not of the {head.length} bytes that its content-length says")
            if head.bodiless:
                data = b""
            if data and (self._link.paused or self._link.buffers.scarce):
                await self._wait_for_room(len(data))
                if self._over:  # meanwhile
                    return
            if len(data) >= LARGE:
                self._mount.note_large(self._route.page, len(data))
            if more:
                await self._send_more(head, data)
            else:
                self._send_last(head, data)
        elif kind == "http.response.start":
            if self._head is not None:
                raise RuntimeError("the response has begun already, and http.response.start came again")
            head = self._head = ResponseHead(event["status"], event.get("headers", ()))
            if not (head.bodiless or self._route.bodiless):
                self._left_of_length = head.length
            self._link.flush_by(self.send_headers)
        else:
            raise RuntimeError(f"{kind!r} is no event of a response; send http.response.start, then http.response.body")

    async def _ignore(self) -> None:
        self._ignored += 1
        if self._ignored > _MAX_IGNORED:
            raise ClientDisconnected("the client is gone; look for http.disconnect")
        await asyncio.sleep(0)

    def _send_last(self, head: ResponseHead, data: bytes) -> None:
        link, writer = self._link, self._writer
        self._over = True
        if not self._head_sent:
            self._head_sent = True
            writer.send_whole(head.head, head.fields, data, sized=head.length >= 0)
        else:
            writer.send_data(data, end=True)
        queued = writer.queued
        if queued:  # the application may go on for long before it returns
            link.buffers.grew(link, queued)
        writer.abandon()
        server = self._ctx.server
        if len(link.calls) == 1 or (server is not None and server.flush_alone):
            link.flush()
        else:
            link.schedule_flush()
        if self._waiting:
            self._wake()

    async def _wait_for_room(self, size: int) -> None:
        """Wait before a piece of so many bytes is sent while the client does not read, or others leave much unread."""
        link = self._link
        if link.paused:
            await link.writable()
        if link.buffers.scarce:
            await link.buffers.turns.wait(link, size, begun=True)

    async def _send_more(self, head: ResponseHead, data: bytes) -> None:
        link = self._link
        if not self._head_sent:
            self._write_head(head)
            self._writer.send_data(data, end=False)  # with which the head leaves
        elif data:
            self._writer.send_data(data, end=False)
        link.gather()
        if self._writer.queued >= MAX_SEND_QUEUE:
            if self._room is not None:
                raise RuntimeError(f"two tasks send the response of {self._method_route.name}; let one send for both")
            room = self._room = link.loop.create_future()
            try:
                await room
            finally:
                self._room = None
            return
        self._burst += 1
        if self._burst >= _BURST:
            self._burst = 0
            await asyncio.sleep(0)

    def _write_head(self, head: ResponseHead) -> None:
        self._head_sent = True
        self._writer.send_head(head.head, head.fields, end=False, sized=head.length >= 0)

    def send_headers(self) -> None:
        """Write what waits, and before that the head if the application waits for something between it and the body."""
        head = self._head
        if head is not None and not self._over and not self._head_sent:
            self._write_head(head)
            self._writer.send_data(b"", end=False)
        self._link.flush()

    def check_end(self) -> None:
        """The application has returned. Raises RuntimeError if it owes a response, and AnsweredError for layers to see which it gave."""
        head = self._head
        if self._lost:
            raise AnsweredError(Code.CANCELLED, "the client has gone away")
        if not self._over:
            raise RuntimeError(f"the application mounted at {self._mount.name} returned before its response had ended")
        if head is not None and head.status >= 400:
            code = _CODES.get(head.status, Code.INTERNAL if head.status >= 500 else Code.FAILED_PRECONDITION)
            raise AnsweredError(code, f"answered with {head.status}")

    # How it ends.

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, AnsweredError):
            return
        cause = first_cause(error)
        if self._gone and isinstance(cause, ClientDisconnected):
            return
        if self._head_sent and isinstance(cause, RpcError):  # the client is not told
            self._report(error)
        super()._failed(error)

    def _tell(self, error: RpcError, *, bare: bool) -> None:
        if self._head_sent:  # nothing but a response that ends too early says that it is not whole
            self._over = True
            self._writer.cut()
            self._link.schedule_flush()
        else:
            self._send_whole(self._body.error_response(error, None))
        self._wake()
        if not self._writer.queued:
            self._ended()


def handler_of(mount: Mount) -> Handler:
    """The handler of a mounted application: it runs as long as the application works for the request."""
    app, running = mount.app, mount.running

    async def handle(call: Exchange, _: Context) -> None:
        request: Any = call  # nobody makes another one for this handler
        task = request.task or asyncio.current_task()  # one that is eager begins before the call knows it
        running.add(task)
        try:
            await app(request.scope(), request.receive, request.send)
        finally:
            running.discard(task)
        request.check_end()

    return handle
