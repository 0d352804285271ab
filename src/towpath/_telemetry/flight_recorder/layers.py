"""The `recorder` role: where the stacks of a server and of a client meet the recorder of the process.

On a server the layer stands next to the handler. It does something there only for methods with a layer that may wait between admission and
the handler: for these the handler's own time is noted. On a client it stands around the fallback of methods that have one.
"""

from collections.abc import Callable
from typing import Any, Final

from towpath._core import clock
from towpath._core.calls.recording import ENDED
from towpath._core.context import Context
from towpath._core.service import Handler, Layer, MethodSpec
from towpath._telemetry.flight_recorder.recorder import Received, Recorder

ROLE: Final = "recorder"


class RecordedServer:
    """The server's part. `may_wait` says of a method whether layers around its handler may wait."""

    role = ROLE

    def __init__(self, recorder: Recorder, may_wait: Callable[[MethodSpec[Any, Any]], bool]) -> None:
        self._recorder = recorder
        self._may_wait = may_wait

    def received(self, method: MethodSpec[Any, Any], /) -> Received:
        """What records the received calls of `method`."""
        return self._recorder.received(method, timed=self._may_wait(method))

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without layers that may wait."""
        if not self._may_wait(method):
            return following

        async def handle(request: Any, ctx: Context) -> Any:
            server = ctx.server
            if server is None:  # it was not received
                return await following(request, ctx)
            server.handler_began = clock.now()
            try:
                return await following(request, ctx)
            finally:
                server.handler_ended = clock.now()

        return handle


class RecordedFallback:
    """The client's part, around `fallback`: a call that this answers has ended well, and no attempt says so."""

    role = ROLE

    def __init__(self, recorder: Recorder, fallback: Layer) -> None:
        self._recorder = recorder
        self._fallback = fallback

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """`following` itself for a method without a fallback."""
        if self._fallback.wrap(method, following) is following:
            return following
        ended = self._recorder.call_ended

        async def handle(request: Any, ctx: Context) -> Any:
            response = await following(request, ctx)
            if hasattr(ctx, "call") and not ctx.call[ENDED]:
                ended(ctx, None)
            return response

        return handle
