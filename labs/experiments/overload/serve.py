"""A server of the experiment, in a process of its own: `python -m labs.experiments.overload.serve KIND`, with a KIND of `KINDS`.

The process prints `ready HOST:PORT` once it listens on a free port of 127.0.0.1. It ends when its standard input closes, so that it cannot
outlive the run that started it.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from bench.processes import loop
from labs.experiments.overload.burning import burn
from labs.work.v1.work_pb2 import ReadRequest, ReadResponse, WriteRequest, WriteResponse
from labs.work.v1.work_towpath import READ, WorkService
from towpath import App, Context
from towpath.settings import ServiceConfig


class Burning(WorkService):
    """Answers after a millisecond of computing."""

    async def read(self, request: ReadRequest, ctx: Context) -> ReadResponse:
        """Compute."""
        burn()
        return ReadResponse(id=request.id)

    async def write(self, request: WriteRequest, ctx: Context) -> WriteResponse:
        """Compute."""
        burn()
        return WriteResponse(id=request.id)


async def _towpath(config: ServiceConfig) -> str:
    app = App(config)
    app.add(Burning())
    await app.start("127.0.0.1", 0)
    return app.address


async def _grpcio() -> str:
    async def read(request: Any, _: Any) -> Any:
        burn()
        return ReadResponse(id=request.id)

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        read, request_deserializer=ReadRequest.FromString, response_serializer=ReadResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(READ.service, {READ.name: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _alive.append(server)  # a server that is collected stops
    return f"127.0.0.1:{port}"


_alive: list[Any] = []

KINDS: Final[dict[str, Callable[[], Awaitable[str]]]] = {
    "towpath": lambda: _towpath(ServiceConfig(admission="on")),
    "grpcio.aio": _grpcio,
}
"""The servers, by their names in the report."""


def _end_with_parent() -> None:
    while os.read(0, 4096):
        continue
    os._exit(0)  # a thread cannot end the process in another way, and there is nothing to save


async def _main(kind: str) -> None:
    address = await KINDS[kind]()
    print(f"ready {address}", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    loop.run(_main(sys.argv[1]))
