"""How the ASGI peers are served: uvicorn with uvloop and httptools, one worker, no access log, as in production."""

from collections.abc import Callable
from typing import Any

import uvicorn

from bench.processes.listening import address_of, listening_socket


async def serve(app: Any, announce: Callable[[str], None]) -> None:
    """Serve the ASGI application `app` for ever on a free port."""
    sock = listening_socket()
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_level="warning", access_log=False))
    announce(address_of(sock))
    await server.serve(sockets=[sock])
