"""Calls as `grpc.aio` has them: awaited or iterated over, cancelled, and asked how they ended."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self

from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY
from towpath.compat._grpcio.library import OK, STATUS, aio, trailers_of


class _Call:
    """What all kinds of calls have in common. `_task` ends with the call."""

    _task: asyncio.Task[Any]

    def __init__(self, method: str, options: CallOptions) -> None:
        self._method = method
        self._options = options
        self._begun = clock.now()
        self._locally_cancelled = False
        self._error: RpcError | None = None

    def cancel(self) -> bool:
        """End the call, and tell the server. Returns False if it had ended."""
        if self._task.done():
            return False
        self._locally_cancelled = True
        return self._task.cancel()

    def cancelled(self) -> bool:
        """Whether the call has ended by being cancelled."""
        return self._task.done() and self._ended_with() == Code.CANCELLED

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._task.done()

    def time_remaining(self) -> float | None:
        """Seconds until the timeout that the caller gave; None without one."""
        timeout = self._options.timeout
        return None if timeout is None else max(0.0, self._begun + timeout - clock.now())

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call `callback` with this call when it has ended."""
        self._task.add_done_callback(lambda _: callback(self))

    async def code(self) -> Any:
        """The code with which the call ends, once it has."""
        await self._until_ended()
        return STATUS[self._ended_with()]

    async def details(self) -> str:
        """The text with which the call ends, once it has."""
        await self._until_ended()
        error = self._failure()
        return "" if error is None else error.message

    async def debug_error_string(self) -> str:
        """The error as text; empty if there is none."""
        await self._until_ended()
        error = self._failure()
        return "" if error is None else str(error)

    async def initial_metadata(self) -> Any:
        """The metadata before the first response."""
        await self._until_ended()
        return aio.Metadata(*self._reply_headers())

    async def trailing_metadata(self) -> Any:
        """The metadata after the last response, once the call has ended."""
        await self._until_ended()
        error = self._failure()
        reply = self._options.reply
        return aio.Metadata(*(EMPTY if reply is None else reply.trailers)) if error is None else trailers_of(error)

    async def wait_for_connection(self) -> None:
        """Wait until the call has been answered, or has ended. Raises AioRpcError if it has failed."""
        await self._until_ended()
        error = self._failure()
        if error is not None:
            raise self._raised(error)

    async def _until_ended(self) -> None:
        await asyncio.wait((self._task,))

    def _reply_headers(self) -> Any:
        return EMPTY if self._options.reply is None else self._options.reply.headers

    def _failure(self) -> RpcError | None:
        """The error of a call that has ended."""
        if self._error is not None:
            return self._error
        if self._task.cancelled():
            return RpcError(Code.CANCELLED, "Locally cancelled by application!")
        error = self._task.exception()
        if error is None or isinstance(error, RpcError):
            return error
        return RpcError(Code.UNKNOWN, f"{type(error).__name__} in the caller")

    def _ended_with(self) -> int:
        error = self._failure()
        return OK if error is None else error.code

    def _raised(self, error: RpcError) -> BaseException:
        """What the caller gets for `error`."""
        if self._locally_cancelled:
            return asyncio.CancelledError("Locally cancelled by application!")
        text = f"{self._method}: {error}"
        headers = aio.Metadata(*self._reply_headers())
        return aio.AioRpcError(STATUS[error.code], headers, trailers_of(error), error.message, text)


class UnaryCall(_Call):
    """A unary call, which begins at once. Await it for the response. Cancelling the task that awaits it cancels it."""

    def __init__(self, work: Coroutine[Any, Any, Any], method: str, options: CallOptions) -> None:
        super().__init__(method, options)
        self._task = asyncio.get_running_loop().create_task(work, name=method)
        self._task.add_done_callback(_seen)

    def __await__(self) -> Generator[Any, None, Any]:
        task = self._task
        task.remove_done_callback(_seen)  # which the loop would have to call: the caller sees how the call ends
        try:
            return (yield from task)
        except RpcError as error:
            raise self._raised(error) from error
        finally:
            if not task.done():  # the caller is gone, and has not seen it
                task.add_done_callback(_seen)


class StreamCall(_Call):
    """A call of which a side streams, or both. Iterate over it or `read`; where it `writes`, `write` and then call `done_writing`."""

    def __init__(self, call: Any, method: str, options: CallOptions, *, writes: bool = False) -> None:
        super().__init__(method, options)
        self._call = call
        self._writes = writes
        self._response: asyncio.Task[Any] | None = None
        exchange = call._exchange  # noqa: SLF001 # a part of towpath, whose callers have no use for it
        self._exchange = exchange
        self._task = exchange.task

    # Responses.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._guarded(self._call.__anext__())

    async def read(self) -> Any:
        """The next response, or `grpc.aio.EOF`."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return aio.EOF

    def __await__(self) -> Generator[Any, None, Any]:
        """The one response of a method whose requests stream."""
        if self._response is None:
            self._response = asyncio.get_running_loop().create_task(self._guarded(self._call.response()), name=self._method)
            self._response.add_done_callback(_seen)
        return (yield from self._response)

    async def initial_metadata(self) -> Any:
        """The metadata before the first response, as soon as they have come."""
        return aio.Metadata(*await self._exchange.headers())

    async def wait_for_connection(self) -> None:
        """Wait until the server has begun to answer. Raises AioRpcError if the call has failed before."""
        await self._exchange.headers()
        if self._task.done() and (error := self._failure()) is not None:
            raise self._raised(error)

    # Requests.

    async def write(self, request: Any) -> None:
        """Send a request. Waits while the server does not read. Raises `asyncio.InvalidStateError` once the call has ended."""
        self._check_writes()
        if not await self._guarded(self._call.send(request)):
            raise asyncio.InvalidStateError("the call has ended, and takes no more requests")

    async def done_writing(self) -> None:
        """No more requests come."""
        self._check_writes()
        await self._guarded(self._call.half_close())

    def _check_writes(self) -> None:
        if not self._writes:
            raise aio.UsageError("the call takes its requests from the iterator that it was given, or has one request")

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await work
        except RpcError as error:
            if self._error is None and not self._locally_cancelled:
                self._error = error
            raise self._raised(error) from error


def _seen(task: asyncio.Task[Any]) -> None:
    """A call that nobody awaits may fail unheard, as with grpcio."""
    if not task.cancelled():
        task.exception()


for _kind, _of_grpcio in ((UnaryCall, aio.UnaryUnaryCall), (StreamCall, aio.UnaryStreamCall), (StreamCall, aio.StreamStreamCall)):
    _of_grpcio.register(_kind)
