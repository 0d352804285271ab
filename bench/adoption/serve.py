"""A server in a process of its own: `python -m bench.adoption.serve SERVER APPLICATION`. It announces its address and ends as those of
`bench.processes.serve` do."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import uvicorn

from bench.processes.listening import address_of, listening_socket
from bench.processes.loop import run
from bench.processes.serve import announce, end_with_parent
from towpath import App

UVICORN: Final = "uvicorn"
"""uvicorn with httptools and uvloop: `pip install uvicorn[standard]`."""
PLAIN: Final = "uvicorn, plain"
"""uvicorn with h11 and asyncio's loop: `pip install uvicorn`."""
TOWPATH: Final = "towpath"
GRPCIO: Final = "grpc.aio"
NATIVE: Final = "towpath's own"
"""The same method on towpath's own generated code."""


async def _uvicorn(app: Any, http: Any) -> None:
    sock = listening_socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it on sockets that it makes itself
    server = uvicorn.Server(uvicorn.Config(app, http=http, log_level="warning", access_log=False))
    announce(address_of(sock))
    await server.serve(sockets=[sock])


async def _mounted(app: Any) -> None:
    server = App()
    server.mount("/", app)
    await server.start("127.0.0.1", 0)
    announce(server.address)
    await asyncio.get_running_loop().create_future()


def main() -> None:
    """Serve until the parent closes our standard input."""
    server, application = sys.argv[1:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    if application == "grpc":
        stack = {GRPCIO: "grpcio_aio", TOWPATH: "grpcio_adapter", NATIVE: "towpath_stack"}[server]
        run(import_module(f"bench.stacks.{stack}").serve(announce))
        return
    applications: dict[str, Callable[[], Any]] = import_module("bench.adoption.applications").APPLICATIONS
    app = applications[application]()
    if server == PLAIN:
        asyncio.run(_uvicorn(app, "h11"))
    else:
        run(_mounted(app) if server == TOWPATH else _uvicorn(app, "httptools"))


if __name__ == "__main__":
    main()
