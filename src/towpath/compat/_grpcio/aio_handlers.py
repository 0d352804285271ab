"""Asynchronous servicers: coroutines that return, coroutines that read and write by their context, and generators."""

import inspect
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from towpath._core.calls.stream_handler import Exchange, TakesExchange
from towpath._core.context import Context
from towpath._core.service import MethodKind
from towpath.compat._grpcio.servicer_context import AioContext


def aio_handler(kind: MethodKind, function: Callable[..., Any]) -> Any:
    """What serves a method of `kind` by a servicer's `function`."""
    if kind is MethodKind.UNARY:
        return _unary(function)
    return TakesExchange(_streaming(kind, function))


def _unary(function: Callable[..., Any]) -> Any:
    async def handle(request: Any, ctx: Context) -> Any:
        context = AioContext(ctx)
        try:
            response = await function(request, context)
        except BaseException as error:
            context.failed(error)
            raise
        finally:
            if context.callbacks:
                context.ended()
        context.check()
        return response

    return handle


def _streaming(kind: MethodKind, function: Callable[..., Any]) -> Any:
    yields = inspect.isasyncgenfunction(function)

    async def handle(exchange: Exchange, ctx: Context) -> None:
        context = AioContext(ctx, exchange)
        try:
            request = exchange if kind.requests_stream else await exchange.only()
            if yields:
                async with aclosing(function(request, context)) as responses:
                    async for response in responses:
                        await exchange.send(response)
            else:
                response = await function(request, context)
                if not kind.responses_stream:
                    context.check()
                    await exchange.send(response)
        except BaseException as error:
            context.failed(error)
            raise
        finally:
            context.ended()
        context.check()

    return handle
