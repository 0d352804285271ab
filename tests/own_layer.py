"""A layer for tests that does to each call what a function says, and an application that serves with it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from towpath import App, Context, MethodSpec, connect
from towpath._app.client import Channel
from towpath._core.service import Handler, Layer, Service
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions

Act = Callable[[Handler, Any, Context], Awaitable[Any]]


class Own:
    """Runs `act(following, request, ctx)` for each call of `service`."""

    def __init__(self, act: Act, service: str = "", role: str = "own") -> None:
        self.role = role
        self._act = act
        self._service = service

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        """Around the methods of the service alone."""
        if not method.service.startswith(self._service) or method.service.startswith("grpc."):
            return following

        async def handle(request: Any, ctx: Context) -> Any:
            return await self._act(following, request, ctx)

        return handle


@asynccontextmanager
async def served(
    service: Service, server: Sequence[Layer] = (), client: Sequence[Layer] = (), protocol: Any = "grpc", metrics: CallMetrics | None = None
) -> AsyncIterator[Channel]:
    """A channel with the layers `client` to a server with the layers `server`."""
    async with App(layers=server) as app:
        app.add(service)
        await app.start("127.0.0.1", 0)
        options = ChannelOptions(protocol=protocol)
        async with connect(app.address, metrics=metrics or CallMetrics(), options=options, layers=client) as channel:
            yield channel
