"""The layers of an application, in the place that a stack has for them: `OwnLayers` is one layer to the stack around it.

Whatever a layer does, its call has an end that is written down (docs/howto/middleware.md). On the server the transport does most of this:
it cancels a handler at its deadline, checks the type of the answer, and makes INTERNAL of a bug. Two things are left. A layer that calls on
with another context makes that context current. A layer that calls on a second time for a stream gets an error. On the client nothing but
the caller is around the layers. So there the deadline holds for the layers too, and their answers are checked.

A method around which no layer puts anything has none of this.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Literal

from towpath._core import clock
from towpath._core.calls.unstarted_calls import OnUnstarted, unstarted_callbacks
from towpath._core.context import Context, current, enter
from towpath._core.early_rejection import EarlyRejection, early_rejection_of
from towpath._core.errors import Code, RpcError, SetupError, deadline_exceeded, first_cause, only_rpc_errors
from towpath._core.service import Handler, Layer, MethodKind, MethodSpec, compose
from towpath._layers.context import tell_where

LAST_WORDS: Final = 0.1
"""Seconds after its deadline at which a client's call ends whose layers have not ended by then. The transport ends it at the deadline; this
is for a layer that waits for something else."""

_once: ContextVar["_StreamUse"] = ContextVar("towpath_own_layers")


def checked_layers(layers: Sequence[Layer], where: str) -> tuple[Layer, ...]:
    """`layers`, which are what a layer has to look like. Raises SetupError that says what is given at `where`, and what to give."""
    given: Any = layers
    if isinstance(given, (str, type)) or hasattr(given, "wrap") or not hasattr(given, "__iter__"):
        raise SetupError(f"{where} is {given!r}; give a list of layers, such as [Audit()]")
    found = tuple(given)
    for number, layer in enumerate(found):
        place = f"{where}[{number}]"
        if isinstance(layer, type):
            raise SetupError(f"{place} is the class {layer.__qualname__}; give an object of it, such as {layer.__qualname__}()")
        if not callable(getattr(layer, "wrap", None)):
            raise SetupError(f"{place} is {layer!r}, which is no layer; a layer has `role`, its name, and `wrap(method, following)`")
        if inspect.iscoroutinefunction(layer.wrap):
            raise SetupError(f"{place}: wrap of {type(layer).__qualname__} is async; make it a plain function that returns a handler")
        role = getattr(layer, "role", None)
        if not isinstance(role, str) or not role:
            raise SetupError(f"{place}: {type(layer).__qualname__} has no role; set `role` to the layer's name, such as role = 'audit'")
    return found


class OwnLayers:
    """The application's `layers` on `side`, the first of them outermost. `target` is the text that says what a client's channel calls."""

    role = "layers"

    def __init__(self, layers: Sequence[Layer], side: Literal["server", "client"], target: str = "") -> None:
        self._layers = tuple(layers)
        self._entrance = _server_entrance if side == "server" else partial(_client_entrance, target)
        self._exit = _server_exit if side == "server" else _client_exit

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method around which none of the layers puts anything."""
        inner = self._exit(method, following)
        handler = compose(self._layers, method, inner)
        return following if handler is inner else self._entrance(method, handler)

    def early_rejection(self, method: MethodSpec[Any, Any]) -> EarlyRejection | None:
        """That of the layers."""
        return early_rejection_of(self._layers, method)

    def on_unstarted(self, method: MethodSpec[Any, Any]) -> OnUnstarted:
        """A function that tells those layers which hear of such calls."""
        callbacks = unstarted_callbacks(self._layers, method)

        def tell(code: Code, seconds: float) -> None:
            for callback in callbacks:
                callback(code, seconds)

        return tell


class _StreamUse:
    """What the layers have made of one streaming call."""

    __slots__ = ("calls", "under_way")

    def __init__(self) -> None:
        self.calls = 0
        self.under_way = False


def _server_entrance(method: MethodSpec[Any, Any], handler: Handler) -> Handler:
    return handler if method.kind is MethodKind.UNARY else _stream_entrance(handler)


def _stream_entrance(handler: Handler) -> Handler:
    # A plain function: the transport calls it in the task of this one call, whose contextvars end with it.
    def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
        _once.set(_StreamUse())
        return handler(request, ctx)

    return handle


def _server_exit(method: MethodSpec[Any, Any], following: Handler) -> Handler:
    def current_and_on(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
        if current() is not ctx:  # so that the calls of the handler inherit what a layer has set
            enter(ctx)
        return following(request, ctx)

    return current_and_on if method.kind is MethodKind.UNARY else _stream_exit(method, current_and_on, lambda _: False)


def _client_exit(method: MethodSpec[Any, Any], following: Handler) -> Handler:
    if method.kind is MethodKind.UNARY:

        def on(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:  # another function, to be told from `following`
            return following(request, ctx)

        return on
    repeatable = not method.kind.requests_stream
    return _stream_exit(method, following, lambda exchange: repeatable and not exchange.answering)


def _stream_exit(method: MethodSpec[Any, Any], following: Handler, may_repeat: Callable[[Any], bool]) -> Handler:
    async def once(exchange: Any, ctx: Context) -> None:
        use = _once.get()
        if use.calls and (use.under_way or not may_repeat(exchange)):
            raise RuntimeError(f"a layer around {method.full_name} has called on twice; the messages of a stream cannot be had again")
        use.calls += 1
        use.under_way = True
        try:
            await following(exchange, ctx)
        finally:
            use.under_way = False

    return once


def _client_entrance(target: str, method: MethodSpec[Any, Any], handler: Handler) -> Handler:
    unary = method.kind is MethodKind.UNARY
    in_time = _in_time(handler if unary else _stream_entrance(handler))

    async def handle(request: Any, ctx: Context) -> Any:
        try:
            response = await in_time(request, ctx)
        except RpcError as error:
            tell_where(target, error, ctx)
            raise
        if unary and not isinstance(response, method.response):
            raise TypeError(f"a layer answered {method.full_name} with {type(response).__name__} instead of {method.response.__name__}")
        return response

    return handle


def _in_time(handler: Handler) -> Handler:
    async def in_time(request: Any, ctx: Context) -> Any:
        deadline, scope, late = ctx.deadline, asyncio.timeout(None), None
        if deadline is not None:
            late = asyncio.get_running_loop().call_later(deadline - clock.now() + LAST_WORDS, _expire, scope)
        try:
            async with scope:
                return await handler(request, ctx)
        except TimeoutError:
            if scope.expired():
                raise deadline_exceeded(ctx.method) from None
            raise
        except BaseExceptionGroup as group:  # as a TaskGroup of a layer raises it
            cause = first_cause(group)
            if isinstance(cause, RpcError) and only_rpc_errors(group):
                raise cause from None
            raise
        finally:
            if late is not None:
                late.cancel()

    return in_time


def _expire(scope: asyncio.Timeout) -> None:
    """End a call in the next turn of the loop. Where the loop was held, the transport's timer is due in this turn, too, and comes first."""
    asyncio.get_running_loop().call_soon(_end, scope)


def _end(scope: asyncio.Timeout) -> None:
    with suppress(RuntimeError):  # the call has ended in between
        scope.reschedule(asyncio.get_running_loop().time())
