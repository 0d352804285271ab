"""Echo served on simulated nodes, and channels to it."""

import hashlib
from typing import Any

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY

from tests.echo_service import Echo
from towpath._core.context import CallOptions, Context
from towpath._transport import Channel, Server
from towpath.testing import Node, Simulation

PORT = 8080


class Working(Echo):
    """Answers after `seconds` of its node's processor."""

    def __init__(self, node: Node, seconds: float) -> None:
        super().__init__()
        self._node = node
        self._seconds = seconds

    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        await self._node.work(self._seconds)
        return pb.SayResponse(id=self._node.name, n=request.n, payload=request.payload)


async def serve(node: Node, seconds: float = 0.001) -> Server:
    server = Server([Working(node, seconds)])
    await server.start(sock=node.listen(PORT), insecure=True)
    return server


def channel_to(name: str, **options: Any) -> Channel:
    return Channel(f"{name}:{PORT}", insecure=True, **options)


async def say(channel: Channel, n: int = 0, *, within: float = 2.0, size: int = 0) -> pb.SayResponse:
    return await channel.bind(SAY)(pb.SayRequest(n=n, payload=bytes(size)), CallOptions(timeout=within))


class Record:
    """What has passed on the wire, when and between whom, as one digest."""

    def __init__(self, simulation: Simulation) -> None:
        self._hash = hashlib.sha256()
        self.bytes = 0
        simulation.network.tap = self

    def __call__(self, when: float, source: str, target: str, data: bytes) -> None:
        self._hash.update(f"{when!r} {source} {target} {len(data)} ".encode() + data)
        self.bytes += len(data)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
