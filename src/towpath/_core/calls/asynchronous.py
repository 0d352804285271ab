"""Streaming calls as a client holds them: objects to read responses from, to send requests with, or both.

A call has two parts. The stack and the transport work on its `ClientExchange`: one task runs the method's composed handler for as long as
the stream lives, so a layer sees the whole call with its end, while the messages pass beside the stack. The application has the typed
object around the exchange. It ends a call in one of four ways: it reads to the end, leaves `async with`, calls `cancel()`, or cancels the
task that waits on the call. A call that is merely dropped is cancelled too, with a ResourceWarning.
"""

import asyncio
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable
from typing import Any, Generic, Protocol, Self

from towpath._core.context import CallOptions, Context, Reply
from towpath._core.disclosure.tracebacks import without_own_frames
from towpath._core.errors import Code, RpcError, locate, several_responses
from towpath._core.metadata import Metadata
from towpath._core.service import Handler, MethodSpec, Req, Res, UnaryCall


class CostlyResponse(Exception):  # raised in place of a response, so that others cost nothing more
    """A response that takes long to read has come: await `read()` for it, which raises RpcError."""

    def __init__(self, read: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self.read = read


class ClientStreamTransport(Protocol):
    """One attempt on the network, as the exchange sees it."""

    def take(self) -> Any:
        """The next response that has come, or None. Raises RpcError for one that cannot be read, and CostlyResponse."""
        ...

    def write(self, message: Any) -> bool:
        """Send a request, and return whether there is room for another; if not, wait for `room`. After the end of the call nothing is sent,
        and there is no room."""
        ...

    async def room(self) -> None:
        """Wait until the server has taken what was sent, or the call is over."""
        ...

    def half_close(self) -> None:
        """Tell the server that no more requests come."""
        ...

    def answering(self) -> bool:
        """Whether a response has begun. After that, no other attempt can take this one's place."""
        ...


class ClientExchange(Generic[Req, Res]):
    """The state of one streaming call."""

    __slots__ = ("_fault", "_wire_given", "changed", "ctx", "request", "task", "wire")

    task: asyncio.Task[None]

    def __init__(self, ctx: Context, request: Req | None) -> None:
        self.ctx = ctx
        self.request = request
        """The one request of a method whose requests do not stream."""
        self.wire: ClientStreamTransport | None = None
        """The latest attempt, once there is one."""
        self.changed: asyncio.Future[None] | None = None
        """What the reader waits on, while one waits."""
        self._wire_given: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None

    @classmethod
    def start(cls, handler: Handler, ctx: Context, request: Req | None) -> Self:
        """Begin a call: `handler` runs in a task of its own for as long as the stream lives."""
        exchange = cls(ctx, request)
        task = exchange.task = asyncio.get_running_loop().create_task(handler(exchange, ctx), name=ctx.method)
        task.add_done_callback(exchange._finished)
        return exchange

    @property
    def answering(self) -> bool:
        """Whether a response has begun."""
        return self.wire is not None and self.wire.answering()

    # What the transport tells.

    def attached(self, wire: ClientStreamTransport) -> None:
        """An attempt has begun. Messages go through `wire` from now on."""
        self.wire = wire
        given = self._wire_given
        if given is not None and not given.done():
            given.set_result(None)
        self.wake()

    def wake(self) -> None:
        """Wake the reader: something has come."""
        changed = self.changed
        if changed is not None and not changed.done():
            changed.set_result(None)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # marks the error as seen: it is raised where the caller reads, and a call that is not read needs no log
        given = self._wire_given
        if given is not None and not given.done():
            given.set_result(None)
        self.wake()

    # What the application does, through the call around this.

    async def receive(self) -> Res | None:
        """The next response, or None after the last of a call that ended well. Raises RpcError."""
        while True:
            wire = self.wire
            if wire is not None:
                try:
                    message = wire.take()
                except RpcError:
                    self.task.cancel()
                    raise
                except CostlyResponse as costly:
                    return await self.costly(costly)
                if message is not None:
                    return message
            if self.task.done():
                self._raise_outcome()
                return None
            await self._change()

    async def costly(self, response: CostlyResponse) -> Res:
        """Read a response that takes long. Raises RpcError."""
        try:
            return await response.read()
        except RpcError:
            self.task.cancel()
            raise

    async def headers(self) -> Metadata:
        """Wait for the metadata that come before the first response. They are empty if the call ends without any."""
        while not self.task.done() and not self.answering:
            await self._change()
        return self.ctx.reply.headers

    async def send(self, message: Req) -> bool:
        """Send a request, and wait while the server does not read. Returns False if the server has ended the call with OK and takes no more
        requests. Raises RpcError if the call has ended with an error."""
        wire = self.wire
        if wire is None:
            await self._until_attached()
            wire = self.wire
        if self.task.done() or wire is None:
            self._raise_outcome()
            return False
        if not wire.write(message):
            try:
                await wire.room()
            except asyncio.CancelledError:
                self.task.cancel()
                raise
        return True

    async def half_close(self) -> None:
        """Send nothing more."""
        await self._until_attached()
        if self.wire is not None:
            self.wire.half_close()

    def fail(self, fault: BaseException) -> None:
        """End the call, and raise `fault` where the caller reads. Does nothing once the call has ended."""
        self._fault = fault
        self.task.cancel()

    async def _change(self) -> None:
        if self.changed is not None:
            raise RuntimeError(f"two tasks read the same call of {self.ctx.method}; let one read and hand out what comes")
        changed = self.changed = asyncio.get_running_loop().create_future()
        try:
            await changed
        except asyncio.CancelledError:
            self.task.cancel()
            raise
        finally:
            self.changed = None

    async def _until_attached(self) -> None:
        while self.wire is None and not self.task.done():
            given = self._wire_given
            if given is None:
                given = self._wire_given = asyncio.get_running_loop().create_future()
            try:
                await asyncio.shield(given)
            except asyncio.CancelledError:
                self.task.cancel()
                raise

    def located(self, error: RpcError) -> RpcError:
        """`error`, which knows this call."""
        locate(error, self.ctx.method, "", self.ctx.peer)
        return error

    def _raise_outcome(self) -> None:
        if self.task.cancelled():
            if self._fault is not None:
                raise self._fault
            raise self.located(RpcError(Code.CANCELLED, f"{self.ctx.method} was cancelled by its caller"))
        error = self.task.exception()
        if error is not None:
            raise error


StreamOpener = Callable[[Req | None, CallOptions | None], ClientExchange[Req, Res]]
"""A streaming method as a generated client holds it: each use begins a call."""


class Binder(Protocol):
    """What a generated client needs of a channel. A client calls one of the two for each of its methods, when it is made."""

    def bind(self, method: MethodSpec[Req, Res]) -> UnaryCall[Req, Res]:
        """The callable for the unary `method`, with its whole stack composed."""
        ...

    def bind_stream(self, method: MethodSpec[Req, Res]) -> StreamOpener[Req, Res]:
        """The callable that begins a call of the streaming `method`, with its whole stack composed."""
        ...


Requests = AsyncIterable[Req] | Iterable[Req]
"""A source of requests that an application gives to a call."""


class StreamingCall(Generic[Req, Res]):
    """What the three kinds of streaming call have in common. One task may read and one send.

    Cancelling a task that waits for a message cancels the call. The deadline, if there is one, holds for the whole stream.
    """

    __slots__ = ("_exchange", "_pump")

    def __init__(self, exchange: ClientExchange[Req, Res], requests: Requests[Req] | None = None) -> None:
        self._exchange = exchange
        self._pump: asyncio.Task[None] | None = None
        if requests is not None:
            loop = asyncio.get_running_loop()
            pump = self._pump = loop.create_task(_send_all(exchange, requests), name=f"{exchange.ctx.method} requests")
            exchange.task.add_done_callback(lambda _: pump.cancel())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        task = self._exchange.task
        loop = task.get_loop()
        if not task.done() and not loop.is_closed():
            # The collector may run in any thread.
            loop.call_soon_threadsafe(task.cancel)
            warnings.warn(
                f"a call of {self._exchange.ctx.method} was dropped before its end, and is cancelled; read to its end, or use `async with`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def cancel(self) -> None:
        """End the call now, and tell the server. A task that reads gets RpcError (CANCELLED). Does nothing once the call has ended."""
        self._exchange.task.cancel()

    async def aclose(self) -> None:
        """`cancel`, and wait until nothing of the call runs any more."""
        tasks = [self._exchange.task] if self._pump is None else [self._exchange.task, self._pump]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def headers(self) -> Metadata:
        """Wait for the metadata that come before the first response. They are empty if the call ends without any."""
        return await self._exchange.headers()

    @property
    def reply(self) -> Reply:
        """The response's metadata as far as they have come. The trailers come with the end of the call."""
        return self._exchange.ctx.reply


class _Reading(StreamingCall[Req, Res]):
    __slots__ = ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Res:
        """The next response. Raises RpcError if the call fails, after the responses that came before."""
        exchange = self._exchange
        wire = exchange.wire
        if wire is not None and exchange.changed is None:  # the start of `receive` again, for one coroutine less per message
            try:
                message = wire.take()
            except RpcError as error:
                exchange.task.cancel()
                error.__traceback__ = without_own_frames(error.__traceback__)
                raise
            except CostlyResponse as costly:
                return await exchange.costly(costly)
            if message is not None:
                return message
        try:
            message = await exchange.receive()
        except RpcError as error:
            error.__traceback__ = without_own_frames(error.__traceback__)
            raise
        if message is None:
            raise StopAsyncIteration
        return message


class _Writing(StreamingCall[Req, Res]):
    __slots__ = ()

    async def send(self, request: Req) -> bool:
        """Send a request, and wait while the server does not read. Returns False if the server has ended the call with OK and takes no more
        requests. Raises RpcError if the call has ended with an error."""
        self._refuse_second_source()
        try:
            return await self._exchange.send(request)
        except RpcError as error:
            error.__traceback__ = without_own_frames(error.__traceback__)
            raise

    async def half_close(self) -> None:
        """Say that no more requests come. Responses may go on."""
        self._refuse_second_source()
        await self._exchange.half_close()

    def _refuse_second_source(self) -> None:
        if self._pump is not None:
            raise RuntimeError(f"the call of {self._exchange.ctx.method} takes its requests from what it was given; send them there")


class ServerStreamingCall(_Reading[Any, Res]):
    """One request, any number of responses: iterate over it."""

    __slots__ = ()


class ClientStreamingCall(_Writing[Req, Res]):
    """Any number of requests, one response: give the requests, or `send` them; then await the call."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Res]:
        return self.response().__await__()

    async def response(self) -> Res:
        """Half-close, if the requests were sent one by one, and wait for the response. Raises RpcError."""
        exchange = self._exchange
        try:
            if self._pump is None:
                await exchange.half_close()
            response = await exchange.receive()
            if response is None:
                raise exchange.located(RpcError(Code.INTERNAL, f"{exchange.ctx.method} ended without a response"))
            if await exchange.receive() is not None:
                exchange.task.cancel()
                raise exchange.located(several_responses(exchange.ctx.method))
        except RpcError as error:
            error.__traceback__ = without_own_frames(error.__traceback__)
            raise
        return response


class BidiStreamingCall(_Reading[Req, Res], _Writing[Req, Res]):
    """Any number of requests and responses, in any order: iterate over it, and give it requests or `send` them."""

    __slots__ = ()


async def _send_all(exchange: ClientExchange[Any, Any], requests: Requests[Any]) -> None:
    try:
        async for request in requests if isinstance(requests, AsyncIterable) else _each(requests):
            if not await exchange.send(request):
                break
        await exchange.half_close()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Something that the iterator awaited was cancelled. Raised as it is, it would look like a cancellation of the task that reads.
        exchange.fail(exchange.located(RpcError(Code.CANCELLED, f"{exchange.ctx.method} was cancelled by where its requests come from")))
    except BaseException as error:  # noqa: BLE001 # an error of the caller's iterator, of any class, is raised where the caller reads
        exchange.fail(error)


async def _each(requests: Iterable[Req]) -> AsyncIterator[Req]:
    for request in requests:
        yield request
