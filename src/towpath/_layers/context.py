"""The `context` role: the outermost of every stack, on the server and on the client.

The server's part makes the call's context the current one while the call is handled. So calls that the handler makes inherit deadline,
trace, tenant, criticality and request id, and no argument has to be passed. The client's part is the entrance of the client stack: it makes
the context of a call from its options, a child of the current one or the root of a new tree, and hands it to the composed handler.

An error of a call passes the entrance on its way out, where its caller is told which call it was (`tell_where`).

Neither part reads configuration. `towpath._app.client_stack` and `towpath._app.server_stack` compose the stacks, and they resolve a
method's timeout and criticality once per method.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from towpath._core.calls.asynchronous import ClientExchange, StreamOpener
from towpath._core.context import CallOptions, Context, Criticality, enter
from towpath._core.context_factory import ContextFactory, context_factory
from towpath._core.disclosure.tracebacks import without_own_frames
from towpath._core.errors import RpcError, locate
from towpath._core.service import Handler, IdempotencyKey, MethodSpec, Req, Res, UnaryCall

_Call = TypeVar("_Call")


class BoundMethod(NamedTuple, Generic[_Call]):
    """A method that is bound to a client."""

    call: _Call
    """The callable that a generated client holds. It begins a call."""
    replace: "Callable[[ClientContext, Handler], None]"
    """Puts another context and another composed handler behind `call`, for the calls that begin from then on. The holder of `call` need not
    be told, and a call costs no more for it."""


class ServerContext:
    """Makes the call's context current for the handler and for every task that the handler starts."""

    role = "context"

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Every method has this role: a handler that calls nobody today may call somebody tomorrow."""

        # A plain function is enough: the server calls its stack in the call's own task, and the task's contextvars end with it. So nothing
        # has to be reset after the call, and no coroutine has to be around it.
        def handle(request: Any, ctx: Context) -> Coroutine[Any, Any, Any]:
            enter(ctx)
            return following(request, ctx)

        return handle


class ClientContext:
    """Opens the client stack of one method. `timeout` (seconds; None sets no deadline) and `criticality` (None declares none) are what the
    method's policy resolved to. `towpath._core.context_factory` says how they and a call's options make a context. `begun` is told of
    each call in the task that begins it, since a stream has a task of its own."""

    __slots__ = ("_begun", "_criticality", "_timeout")

    role = "context"

    def __init__(
        self, *, timeout: float | None, criticality: Criticality | None = None, begun: Callable[[Context], None] | None = None
    ) -> None:
        self._begun = begun
        self._timeout = timeout
        self._criticality = criticality

    def open(self, method: MethodSpec[Req, Res], handler: Handler) -> BoundMethod[UnaryCall[Req, Res]]:
        """Bind a unary method: each call makes a context, and runs `handler` with it."""
        context, begun = self._factory(method), self._begun

        # A plain function that returns the handler's awaitable saves one coroutine per call.
        def call(request: Req, options: CallOptions | None) -> Coroutine[Any, Any, Res]:
            return handler(request, context(options))

        def call_told(request: Req, options: CallOptions | None) -> Coroutine[Any, Any, Res]:
            ctx = context(options)
            tell(ctx)
            return handler(request, ctx)

        def replace(other: ClientContext, composed: Handler) -> None:
            nonlocal context, handler
            context, handler = other._factory(method), composed

        if begun is None:
            return BoundMethod(call, replace)
        tell = begun
        return BoundMethod(call_told, replace)

    def open_stream(self, method: MethodSpec[Req, Res], handler: Handler) -> BoundMethod[StreamOpener[Req, Res]]:
        """Bind a streaming method: each call makes a context, and begins the task that runs `handler` with it."""
        context, begun = self._factory(method), self._begun

        def start(request: Req | None, options: CallOptions | None) -> ClientExchange[Req, Res]:
            ctx = context(options)
            if begun is not None:
                begun(ctx)
            return ClientExchange[Req, Res].start(handler, ctx, request)

        def replace(other: ClientContext, composed: Handler) -> None:
            nonlocal context, handler
            context, handler = other._factory(method), composed

        return BoundMethod(start, replace)

    def _factory(self, method: MethodSpec[Any, Any]) -> ContextFactory:
        makes_keys = method.idempotency_key is IdempotencyKey.AUTO
        return context_factory(method.full_name, self._timeout, self._criticality, inherits=True, makes_keys=makes_keys)


def tell_where(target: str, error: BaseException, ctx: Context) -> None:
    """Let the RpcError of a call to `target` know its call, and take the frames of towpath out of its traceback. Any other error is a bug,
    and stays as it is. The code that calls this has to raise the error again with a bare `raise`, which adds no frame."""
    if isinstance(error, RpcError):
        locate(error, ctx.method, target, ctx.peer)
        error.__traceback__ = without_own_frames(error.__traceback__)
