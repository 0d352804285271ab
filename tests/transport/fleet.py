"""Several servers behind one target, each of which tells who it is."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo, turn_until
from towpath._core.context import CallOptions
from towpath._core.service import Service
from towpath._transport import Backoff, Channel, Server
from towpath._transport.client.endpoints.endpoint import State

PATIENT = CallOptions(timeout=PATIENCE)
WAITING = CallOptions(timeout=PATIENCE, wait_for_ready=True)
EAGER = Backoff(initial=0.001, most=0.01)


class Named(Echo):
    """An echo that counts who was asked."""

    def __init__(self, name: int, asked: Counter[int]) -> None:
        super().__init__()
        self.name = name
        self.asked = asked

    async def say(self, request: pb.SayRequest, ctx: object) -> pb.SayResponse:
        self.asked[self.name] += 1
        return pb.SayResponse(n=self.name)


@asynccontextmanager
async def fleet(count: int, asked: Counter[int], beside: Callable[[], Service] | None = None) -> AsyncIterator[tuple[list[Server], str]]:
    """Servers, each with another service `beside` its echo, and the target of them all."""
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for name in range(count):
            server = Server([Named(name, asked), *([] if beside is None else [beside()])])
            stack.push_async_callback(server.close, 0)
            await server.start()
            servers.append(server)
        yield servers, "static:///" + ",".join(server.address for server in servers)


def states(channel: Channel) -> list[State]:
    return [endpoint.state for endpoint in channel.pool.endpoints.values()]


async def all_ready(channel: Channel, count: int) -> None:
    await EchoServiceClient(channel).say(pb.SayRequest(), WAITING)
    await turn_until(lambda: states(channel) == [State.READY] * count)
