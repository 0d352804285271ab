"""Blocking servicers, each call in a thread: functions that return, and generators. What they iterate over waits for the loop."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from towpath._core.calls.stream_handler import Exchange, TakesExchange
from towpath._core.calls.thread_handlers import blocking
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError
from towpath._core.service import MethodKind
from towpath.compat._grpcio.servicer_context import SyncContext


def sync_handler(kind: MethodKind, function: Callable[..., Any]) -> Any:
    """What serves a method of `kind` by a servicer's `function`."""
    streamed = blocking(_stream)
    threaded: Any = blocking(function) if kind is MethodKind.UNARY else streamed

    async def unary(request: Any, ctx: Context) -> Any:
        return await _with_context(ctx, lambda context: threaded(request, context))

    async def streaming(exchange: Exchange, ctx: Context) -> None:
        calls = _FromThread(exchange, ctx.method)
        request = calls if kind.requests_stream else await exchange.only()
        try:
            await _with_context(ctx, lambda context: streamed(function, request, context, calls, kind))
        finally:
            calls.stop()

    return unary if kind is MethodKind.UNARY else TakesExchange(streaming)


async def _with_context(ctx: Context, work: Callable[[SyncContext], Coroutine[Any, Any, Any]]) -> Any:
    context = SyncContext(ctx)
    try:
        response = await work(context)
    except BaseException as error:
        context.failed(error)
        raise
    finally:
        context.ended()
    context.check()
    return response


def _stream(function: Callable[..., Any], request: Any, context: SyncContext, calls: "_FromThread", kind: MethodKind) -> None:
    answer = function(request, context)
    if not kind.responses_stream:
        context.check()
        calls.send(answer)
        return
    try:
        for response in answer:
            calls.send(response)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


class _FromThread:
    """The exchange of a call, for the thread of its handler."""

    def __init__(self, exchange: Exchange, method: str) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._method = method
        self._pending: Future[Any] | None = None
        self._stopped = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        nothing = object()
        request = self._run(self._next(nothing))
        if request is nothing:
            raise StopIteration
        return request

    async def _next(self, nothing: object) -> Any:
        return await anext(self._exchange, nothing)

    def send(self, response: Any) -> None:
        """Send a response. Waits while the caller does not read."""
        self._run(self._exchange.send(response))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            pending = self._pending = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:  # the loop has ended, and with it the call
            work.close()
            raise self._over() from error
        if self._stopped:
            pending.cancel()
        try:
            return pending.result()
        except CancelledError:
            raise self._over() from None

    def _over(self) -> RpcError:
        return RpcError(Code.CANCELLED, f"{self._method} has ended")

    def stop(self) -> None:
        """The call has ended: let the thread go on from where it waits, with an error."""
        self._stopped = True
        pending = self._pending
        if pending is not None:
            pending.cancel()
