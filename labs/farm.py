"""Nodes that do simulated work, for experiments: the service on a node, the cost of its calls, and its start.

Each node has an application of towpath, as production has. Only the work of a call is simulated, so that it takes virtual time.
"""

from collections.abc import Awaitable, Callable

from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import WorkService
from towpath import App, Context, Service
from towpath.settings import ServiceConfig
from towpath.testing import Node

PORT = 8080

Work = Callable[[Node], Awaitable[None]]
"""The work of one call, on the node that serves the call."""


class Working(WorkService):
    """Does `work` for each call, of either method."""

    def __init__(self, node: Node, work: Work) -> None:
        self.calls = 0
        """Calls that have begun."""
        self.finished = 0
        """Calls whose work was not cut short."""
        self._node = node
        self._work = work

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """A call that may be repeated."""
        await self._do()
        return ReadResponse(id=request.id, node=self._node.name)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """A call that must not be repeated."""
        await self._do()
        return WriteResponse(id=request.id, node=self._node.name)

    async def _do(self) -> None:
        self.calls += 1
        await self._work(self._node)
        self.finished += 1


def burning(seconds: float) -> Work:
    """Work that takes `seconds` of the node's processor."""

    async def work(node: Node) -> None:
        await node.work(seconds)

    return work


async def start(node: Node, *services: Service, config: ServiceConfig | None = None, app: App | None = None) -> App:
    """Serve `services` on `node` at PORT, and return the application, which the caller has to close. A service that calls through channels
    of the application needs one before: give it as `app`."""
    app = app or App(config or ServiceConfig(insecure=True))
    app.add(*services)
    await app.start(sock=node.listen(PORT))
    return app
