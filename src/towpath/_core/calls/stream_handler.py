"""Streams of messages on the server: from the async iterators that a team writes to the `Handler` that every layer wraps.

A streaming call has a `Handler` like any other call. Its request is the call's `Exchange`, it returns None, and it runs for as long as the
stream. So a layer that times, counts, rejects or cancels calls does the same for streams, without knowing that they are streams.
`exchange_handler` makes the handler of a streaming method.
"""

import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, Protocol, Self

from towpath._core.context import Context
from towpath._core.service import Handler, MethodKind


class Exchange(Protocol):
    """A streaming call from inside the server: iterate for the requests, `send` for the responses.

    Iteration ends when the caller has half-closed. Only one task may iterate at a time, and one send. Both are cancelled when the call ends
    before the handler does: at its deadline, or when the caller goes away.
    """

    def __aiter__(self) -> Self:
        """Iterate over the requests, in order. A caller whose requests are not read is held back once a window's worth has come."""
        ...

    async def __anext__(self) -> Any:
        """The next request. Raises StopAsyncIteration once the caller has half-closed."""
        ...

    async def only(self) -> Any:
        """The one request of a method whose requests do not stream. Raises RpcError (INTERNAL) if the caller sends none, or another one."""
        ...

    async def send(self, message: Any) -> None:
        """Send one response. This waits while the caller does not read, so a handler cannot make the server hold more than a window."""
        ...


class TakesExchange:
    """The implementation of a streaming method, of whichever kind, that is a `Handler` already: it is called with the exchange."""

    __slots__ = ("handle",)

    def __init__(self, handle: Handler) -> None:
        self.handle = handle


def exchange_handler(kind: MethodKind, implementation: Any) -> Handler:
    """The handler of a streaming method of kind `kind`. `implementation` is the bound method of a generated service class, or
    a `TakesExchange`."""
    if isinstance(implementation, TakesExchange):
        return implementation.handle
    if kind is MethodKind.SERVER_STREAMING:
        return _server_streaming(implementation)
    if kind is MethodKind.CLIENT_STREAMING:
        return _client_streaming(implementation)
    if kind is MethodKind.BIDI_STREAMING:
        return _bidi_streaming(implementation)
    raise ValueError("a unary method has no exchange; its implementation is its handler")


def _server_streaming(implementation: Any) -> Handler:
    async def handle(exchange: Exchange, ctx: Context) -> None:
        await _send_all(implementation(await exchange.only(), ctx), exchange, ctx)

    return handle


def _client_streaming(implementation: Any) -> Handler:
    async def handle(exchange: Exchange, ctx: Context) -> None:
        await exchange.send(await implementation(exchange, ctx))

    return handle


def _bidi_streaming(implementation: Any) -> Handler:
    # A plain function is enough: there is nothing to await before the responses.
    def handle(exchange: Exchange, ctx: Context) -> Coroutine[Any, Any, None]:
        return _send_all(implementation(exchange, ctx), exchange, ctx)

    return handle


async def _send_all(responses: AsyncIterator[Any], exchange: Exchange, ctx: Context) -> None:
    send = exchange.send
    if hasattr(responses, "aclose"):
        # Without this, a generator that is left half-way would run its `finally` when the collector finds it, after the end of the call.
        async with aclosing(responses):  # pyright: ignore[reportArgumentType] # just looked
            async for response in responses:
                await send(response)
        return
    if not hasattr(responses, "__aiter__"):
        if inspect.iscoroutine(responses):
            responses.close()  # it will not be awaited
        raise TypeError(f"{ctx.method} is implemented by what returns; a method whose responses stream yields each of them")
    async for response in responses:
        await send(response)
