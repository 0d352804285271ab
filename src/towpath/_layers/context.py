"""The `context` role: the outermost of every stack, on the server and on the client.

The server's part makes the call's context the current one while it is handled, so that whatever the handler calls inherits deadline,
trace, tenant, criticality and request id with no argument passed. The client's part is the entrance of the client stack: it makes the
context of a call from its options, a child of the current one or the root of a new tree, and hands it to the composed handler.

Neither reads configuration. What a method's timeout and criticality are was resolved before, once per method, by whoever composes
the stacks (`towpath._app.client_stack`, `towpath._app.server_stack`).
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from towpath._core.calls.asynchronous import ClientExchange, StreamOpener
from towpath._core.context import CallOptions, Context, Criticality, enter
from towpath._core.context_factory import ContextFactory, context_factory
from towpath._core.service import Handler, MethodSpec, Req, Res, UnaryCall

_Call = TypeVar("_Call")


class Opened(NamedTuple, Generic[_Call]):
    """A method as a client has it. `become` puts another composed handler behind `call`, for the calls that begin from
    then on: whoever holds `call` need not be told, and pays nothing for it."""

    call: _Call
    become: "Callable[[ClientContext, Handler], None]"


class ServerContext:
    """Makes the call's context current for the handler and for every task that the handler starts."""

    role = "context"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role: a handler that calls nobody today may call somebody tomorrow."""

        # A plain function: the server calls its stack in the call's own task, whose contextvars end with it, so there is nothing to take
        # back and no need of a coroutine around the call for that.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            enter(ctx)
            return following(request, ctx)

        return handle


class ClientContext:
    """Opens the client stack of one method. Its policy resolved to `timeout` (seconds; None: no end of its own) and `criticality` (None
    declares none); `towpath._core.context_factory` says what becomes of them."""

    __slots__ = ("_criticality", "_timeout")

    role = "context"

    def __init__(self, *, timeout: float | None, criticality: Criticality | None = None) -> None:
        self._timeout = timeout
        self._criticality = criticality

    def open(self, method: MethodSpec[Req, Res], handler: Handler) -> Opened[UnaryCall[Req, Res]]:
        """With the callable that a generated client binds: it composes a context per call and runs `handler` with it."""
        context = self._factory(method)

        # A plain function that returns the handler's awaitable: one coroutine less per call.
        def call(request: Req, options: CallOptions | None) -> Coroutine[Any, Any, Res]:
            return handler(request, context(options))

        def become(other: ClientContext, composed: Handler) -> None:
            nonlocal context, handler
            context, handler = other._factory(method), composed

        return Opened(call, become)

    def open_stream(self, method: MethodSpec[Req, Res], handler: Handler) -> Opened[StreamOpener[Req, Res]]:
        """Likewise for a method that streams; the task that runs `handler` begins with the call."""
        context = self._factory(method)

        def start(request: Req | None, options: CallOptions | None) -> ClientExchange[Req, Res]:
            return ClientExchange[Req, Res].start(handler, context(options), request)

        def become(other: ClientContext, composed: Handler) -> None:
            nonlocal context, handler
            context, handler = other._factory(method), composed

        return Opened(start, become)

    def _factory(self, method: MethodSpec[Any, Any]) -> ContextFactory:
        return context_factory(method.full_name, self._timeout, self._criticality, inherits=True)
