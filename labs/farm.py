"""Nodes that do simulated work, for experiments: what answers, what it costs, and how it is started.

An application of towpath on each node, as production has it; only the work is simulated, because that has to have a price in virtual time.
"""

from collections.abc import Awaitable, Callable

from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService
from towpath import App, Context, Service
from towpath.settings import ServiceConfig
from towpath.testing import Node

PORT = 8080

Work = Callable[[Node], Awaitable[None]]
"""What one call costs the node that it has come to."""


class Working(WorkService):
    """Does `work` for each call, of either method. `calls` is how many have begun, `finished` how many were not cut short."""

    def __init__(self, node: Node, work: Work) -> None:
        self.calls = 0
        self.finished = 0
        self._node = node
        self._work = work

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """A call that may be repeated."""
        await self._do()
        return ReadResponse(id=request.id, node=self._node.name)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """A call that must not be."""
        await self._do()
        return WriteResponse(id=request.id, node=self._node.name)

    async def _do(self) -> None:
        self.calls += 1
        await self._work(self._node)
        self.finished += 1


def burning(seconds: float) -> Work:
    """Each call takes `seconds` of the node's processor."""

    async def work(node: Node) -> None:
        await node.work(seconds)

    return work


async def start(node: Node, *services: Service, config: ServiceConfig | None = None, app: App | None = None) -> App:
    """Serve `services` on `node` at PORT, by `app` if it was made before because a service calls through its channels. The caller closes
    it."""
    app = app or App(config or ServiceConfig(insecure=True))
    app.add(*services)
    await app.start(sock=node.listen(PORT))
    return app
