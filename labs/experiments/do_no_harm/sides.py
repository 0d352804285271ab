"""The two sides of each comparison: towpath as it comes, and the same transport without any policy."""

import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService, WorkServiceClient
from towpath import App, Context, connect
from towpath.generated import Binder
from towpath.settings import ServiceConfig
from towpath.stores import IdempotencyStore
from towpath.telemetry import CallMetrics
from towpath.testing import Node, Simulation
from towpath.transport import Channel, ChannelOptions, Server

PORT: Final = 8080

NOTHING_SET: Final = ServiceConfig(insecure=True)
"""The settings of a service that sets nothing."""

Answer = Callable[[str], Awaitable[str]]
"""What a method does with the id of a request; what it returns is the id of the response."""


async def echo(text: str) -> str:
    """Answer at once."""
    return text


class Scripted(WorkService):
    """A service whose methods do what a situation says. `effects` counts how often `write` was done, by the id of the request."""

    def __init__(self, read: Answer = echo, write: Answer = echo) -> None:
        self.effects: Counter[str] = Counter()
        self.reads = 0
        self._read = read
        self._write = write

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """A call that may be repeated."""
        self.reads += 1
        return ReadResponse(id=await self._read(request.id))

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """An effect."""
        answer = await self._write(request.id)
        self.effects[request.id] += 1
        return WriteResponse(id=answer)

    @property
    def doubled(self) -> int:
        """How many effects were had once too often."""
        return sum(count - 1 for count in self.effects.values())


class Client:
    """A client of the service, with the connections that it calls over."""

    def __init__(self, channel: Binder, close: Callable[[], Awaitable[None]]) -> None:
        self.work = WorkServiceClient(channel)
        self.close: Final = close


class Serving(ABC):
    """A server that has started."""

    @abstractmethod
    async def close(self, grace: float | None = None) -> None:
        """Let calls under way finish for `grace` seconds (None: the default), and end."""


class Side(ABC):
    """What a service and its clients are built with."""

    name: str

    @abstractmethod
    async def serve(
        self, sock: socket.socket, service: WorkService, settings: ServiceConfig, store: IdempotencyStore | None = None
    ) -> Serving:
        """Serve `service` on `sock`, which listens. `settings` and `store` are for the side that has policies."""

    @abstractmethod
    def connect(self, target: str, options: ChannelOptions | None = None) -> Client:
        """A client of `target`."""


class _Stack(Side):
    name = "towpath"

    async def serve(
        self, sock: socket.socket, service: WorkService, settings: ServiceConfig, store: IdempotencyStore | None = None
    ) -> Serving:
        app = App(settings, idempotency=store)
        app.add(service)
        await app.start(sock=sock)
        return _Closing(app.close)

    def connect(self, target: str, options: ChannelOptions | None = None) -> Client:
        channel = connect(target, insecure=True, metrics=CallMetrics(), options=options)
        return Client(channel, channel.close)


class _Bare(Side):
    name = "no policies"

    async def serve(
        self, sock: socket.socket, service: WorkService, settings: ServiceConfig, store: IdempotencyStore | None = None
    ) -> Serving:
        server = Server([service], layers=())
        await server.start(sock=sock, insecure=True)
        return _Closing(lambda grace: server.close(settings.grace if grace is None else grace))

    def connect(self, target: str, options: ChannelOptions | None = None) -> Client:
        channel = Channel(target, insecure=True, options=options)
        return Client(channel, channel.close)


class _Closing(Serving):
    def __init__(self, close: Callable[[float | None], Awaitable[None]]) -> None:
        self._close = close

    async def close(self, grace: float | None = None) -> None:
        await self._close(grace)


STACK: Final[Side] = _Stack()
BARE: Final[Side] = _Bare()
SIDES: Final[Mapping[str, Side]] = {side.name: side for side in (STACK, BARE)}


async def serve_replicas(run: Simulation, side: Side, count: int, service: Callable[[Node], Scripted]) -> tuple[list[Node], list[Serving]]:
    """Serve what `service` makes for each of `count` nodes, behind the name `work`."""
    nodes = [run.node(f"server-{number}") for number in range(count)]
    run.network.name("work", nodes)
    return nodes, [await side.serve(node.listen(PORT), service(node), NOTHING_SET) for node in nodes]


async def close_all(clients: Iterable[Client], servers: Iterable[Serving]) -> None:
    """End clients and servers, the servers without waiting."""
    for client in clients:
        await client.close()
    for server in servers:
        await server.close(0)
