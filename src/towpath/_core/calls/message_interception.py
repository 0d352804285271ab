"""The messages of a call, seen and changed by a layer, whichever of its sides stream.

The messages of a stream go from the connection to the handler beside the layers, so that a layer which does not ask for them costs them
nothing. `intercept_messages` is how a layer asks. It stands in the place of the call's exchange: on the server before the handler, and on
the client between the exchange and the attempts on the network.
"""

import inspect
from collections.abc import Callable
from typing import Any, Self

from towpath._core.calls.asynchronous import ClientExchange, ClientStreamTransport, CostlyResponse
from towpath._core.calls.stream_handler import Exchange
from towpath._core.context import Context
from towpath._core.errors import SetupError
from towpath._core.service import Handler, MethodKind, MethodSpec

OnMessage = Callable[[Any, Context], Any]
"""A layer's function that is called with each message and the context of the call. It returns None to leave the message as it is, or the
message to use in its place. What it raises ends the call."""


def intercept_messages(
    method: MethodSpec[Any, Any], following: Handler, *, on_request: OnMessage | None = None, on_response: OnMessage | None = None
) -> Handler:
    """A handler around `following` that calls `on_request` with each request and `on_response` with each response, for `wrap` of a layer to
    return. It is for methods of every kind, on the server and on the client. With neither function it is `following`. Requests to a mounted
    application have no messages, and pass.

    The functions are plain ones and run within the call, on the loop, so they must be quick: nobody awaits them. An RpcError that one of
    them raises is the end of the call. Any other exception is a bug of the layer: on the server the caller gets INTERNAL, and on the client
    the caller gets the exception. A handler of a stream cannot swallow either. Raises SetupError for an async function.
    """
    for name, function in (("on_request", on_request), ("on_response", on_response)):
        if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
            raise SetupError(
                f"{name} for {method.full_name} is {function!r}; give a plain function (message, ctx), since nobody awaits it. "
                "Work that has to be awaited belongs before or after `following` in the layer's own handler"
            )
    if on_request is None and on_response is None:
        return following
    request = _checked(on_request, method.request, method, "on_request")
    response = _checked(on_response, method.response, method, "on_response")
    if method.kind is MethodKind.UNARY:

        async def handle(message: Any, ctx: Context) -> Any:
            return response(await following(request(message, ctx), ctx), ctx)

        return handle

    async def stream(exchange: Any, ctx: Context) -> None:
        if isinstance(exchange, (ClientExchange, _ClientMessages)):
            await following(_ClientMessages(exchange, ctx, request, response), ctx)
            return
        if not getattr(exchange, "carries_messages", True):
            await following(exchange, ctx)
            return
        messages = _ServerMessages(exchange, ctx, request, response)
        try:
            await following(messages, ctx)
        except Exception as error:
            if messages.fault is None or messages.fault is error:
                raise
            raise messages.fault from error  # the handler has made something else of it
        if messages.fault is not None:
            raise messages.fault

    return stream


def _checked(function: OnMessage | None, kind: type[Any], method: MethodSpec[Any, Any], name: str) -> OnMessage:
    """`function`, whose result is the message to use."""
    if function is None:
        return _unchanged

    def checked(message: Any, ctx: Context) -> Any:
        given = function(message, ctx)
        if given is None:
            return message
        if not isinstance(given, kind):
            wanted = kind.DESCRIPTOR.full_name
            raise TypeError(f"{name} of a layer gave {type(given).__name__} for {method.full_name}; return None, or a {wanted}")
        return given

    return checked


def _unchanged(message: Any, _: Context) -> Any:
    return message


class _ServerMessages:
    """The `Exchange` of a received call, for the handlers further in."""

    __slots__ = ("_ctx", "_exchange", "_on_request", "_on_response", "fault")

    def __init__(self, exchange: Exchange, ctx: Context, on_request: OnMessage, on_response: OnMessage) -> None:
        self._exchange = exchange
        self._ctx = ctx
        self._on_request = on_request
        self._on_response = on_response
        self.fault: BaseException | None = None
        """What a function has raised, which ends the call."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return self._seen(self._on_request, await self._exchange.__anext__())

    async def only(self) -> Any:
        return self._seen(self._on_request, await self._exchange.only())

    async def send(self, message: Any) -> None:
        await self._exchange.send(self._seen(self._on_response, message))

    def _seen(self, function: OnMessage, message: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        try:
            return function(message, self._ctx)
        except BaseException as fault:
            self.fault = fault
            raise


class _ClientMessages:
    """A call's `ClientExchange`, for the attempts further in."""

    __slots__ = ("_exchange", "_on_request", "_on_response", "ctx", "request")

    def __init__(self, exchange: Any, ctx: Context, on_request: OnMessage, on_response: OnMessage) -> None:
        self._exchange = exchange
        self.ctx = ctx
        self.request = None if exchange.request is None else on_request(exchange.request, ctx)
        self._on_request = on_request
        self._on_response = on_response

    @property
    def answering(self) -> bool:
        return self._exchange.answering

    def attached(self, wire: ClientStreamTransport) -> None:
        self._exchange.attached(_ClientWire(wire, self, self._on_request, self._on_response))

    def wake(self) -> None:
        self._exchange.wake()

    def fail(self, fault: BaseException) -> None:
        self._exchange.fail(fault)


class _ClientWire:
    """One attempt on the network, for the call that reads and writes."""

    __slots__ = ("_exchange", "_fault", "_on_request", "_on_response", "_wire")

    def __init__(self, wire: ClientStreamTransport, exchange: _ClientMessages, on_request: OnMessage, on_response: OnMessage) -> None:
        self._wire = wire
        self._exchange = exchange
        self._on_request = on_request
        self._on_response = on_response
        self._fault: BaseException | None = None

    def take(self) -> Any:
        if self._fault is not None:
            raise self._fault
        try:
            message = self._wire.take()
        except CostlyResponse as costly:
            read = costly.read

            async def read_and_see() -> Any:
                return self._seen(self._on_response, await read())

            raise CostlyResponse(read_and_see) from None
        return None if message is None else self._seen(self._on_response, message)

    def write(self, message: Any) -> bool:
        if self._fault is not None:
            raise self._fault
        return self._wire.write(self._seen(self._on_request, message))

    async def room(self) -> None:
        await self._wire.room()

    def half_close(self) -> None:
        self._wire.half_close()

    def answering(self) -> bool:
        return self._wire.answering()

    def _seen(self, function: OnMessage, message: Any) -> Any:
        try:
            return function(message, self._exchange.ctx)
        except BaseException as fault:
            self._fault = fault
            self._exchange.fail(fault)
            raise
