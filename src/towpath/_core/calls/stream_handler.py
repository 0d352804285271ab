"""Streams of messages on the server: what a streaming method implements, as the one shape that every layer wraps.

A streaming call is handled by a `Handler` like any other. Its request is the call's `Exchange`, it returns None, and it runs for as long as
the stream: so a layer that times, counts, refuses or cancels a call does the same for a stream, without knowing that it is one. What a team
writes are plain async iterators; `exchange_handler` stands between the two.
"""

import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, Protocol, Self

from towpath._core.context import Context
from towpath._core.service import Handler, MethodKind


class Exchange(Protocol):
    """A streaming call from inside the server: iterate for the requests, `send` for the responses.

    Iteration ends when the caller has half-closed. Only one task may iterate and one send at a time. Both are cancelled when the call
    ends before the handler does: at its deadline, or when the caller goes away.
    """

    def __aiter__(self) -> Self:
        """The requests, in order; one that is not read holds its caller back once a window's worth has come."""
        ...

    async def __anext__(self) -> Any:
        """The next request; raises StopAsyncIteration once the caller has half-closed."""
        ...

    async def only(self) -> Any:
        """The one request of a method whose requests do not stream. Raises RpcError (INTERNAL) for none and for a second one."""
        ...

    async def send(self, message: Any) -> None:
        """Send one response. Waits while the caller does not read, so a handler cannot make the server hold more than a window."""
        ...


def exchange_handler(kind: MethodKind, implementation: Any) -> Handler:
    """The handler of a streaming method that `implementation` serves, a bound method of a generated service class."""
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
    # Plain: nothing to await before the responses.
    def handle(exchange: Exchange, ctx: Context) -> Coroutine[Any, Any, None]:
        return _send_all(implementation(exchange, ctx), exchange, ctx)

    return handle


async def _send_all(responses: AsyncIterator[Any], exchange: Exchange, ctx: Context) -> None:
    send = exchange.send
    if hasattr(responses, "aclose"):
        # A generator that is left half-way would run its `finally` whenever the collector finds it; the call ends after it has.
        async with aclosing(responses):  # pyright: ignore[reportArgumentType] # just looked
            async for response in responses:
                await send(response)
        return
    if not hasattr(responses, "__aiter__"):
        if inspect.iscoroutine(responses):
            responses.close()  # nobody awaits it
        raise TypeError(f"{ctx.method} is implemented by what returns; a method whose responses stream yields each of them")
    async for response in responses:
        await send(response)
