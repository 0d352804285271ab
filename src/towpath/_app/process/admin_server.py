"""The admin listener, for orchestrators and scrapers, on a port that callers do not reach.

    GET /livez      200 as long as the event loop turns
    GET /readyz     200 from when the application serves until it is told to stop, else 503; the body is the state. While a probe fails it
                    is 503, "unready", and the names of what is missing, one a line
    GET /metrics    the metrics in Prometheus' text format, or in OpenMetrics where `Accept` asks for it; with `?buckets=fine` histograms
                    have all of their buckets

Beside them it serves `towpath.admin.v1.AdminService`, which operators' tools ask (`towpath._app.admin.admin_service`).

Where they are shown, the documents below `/debug/` are `towpath._app.process.inspection.debug_documents`.

The listener is up before the program's `main` runs and until the last call has ended, so that a slow start or a long drain does not look
like a dead process. It always speaks plaintext, as probes and scrapers expect. So its address should be one that only they can reach.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from towpath._app.admin.admin_service import AppAdmin
from towpath._app.admin.local_sockets import socket_path
from towpath._app.application import App
from towpath._core.disclosure.printable import printable
from towpath._core.errors import SetupError
from towpath._telemetry.exposition import blocks, format_for, written
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ConnectionLimits, Server
from towpath._transport.address import Place, UnixPath, bind
from towpath._transport.server.mounts.mount import Mount
from towpath._transport.server.routes import NO_DOCUMENTS, Document, Documents

TEXT: Final = "text/plain; charset=utf-8"
LIVE: Final = Document(TEXT, b"ok\n")

log = logging.getLogger("towpath.app")

METRICS_PATH: Final = "/metrics"

MAX_CONNECTIONS: Final = 32
"""Connections of orchestrators and scrapers. There is a handful of them; the process' other file descriptors are for callers."""


@asynccontextmanager
async def admin(app: App, place: Place, further: Documents = NO_DOCUMENTS) -> AsyncGenerator[str]:
    """Serve the probes, the metrics and the admin service of `app`, and the `further` documents, at `place`, and yield the address as text.
    Raises SetupError if the address cannot be had."""

    def ready() -> Document:
        state = app.state
        if state == "serving" and app.readiness.failed:
            missing = "".join(f"{printable(name)}\n" for name in app.readiness.failed)
            return Document(TEXT, f"unready\n{missing}".encode(errors="replace"), status=503)
        return Document(TEXT, f"{state}\n".encode(), status=200 if state == "serving" else 503)

    server = Server(
        (AppAdmin(app),),
        documents={"/livez": lambda: LIVE, "/readyz": ready, **further},
        connections=ConnectionLimits(total=MAX_CONNECTIONS),
        mounts=[Mount(prefix=METRICS_PATH, app=_Metrics(app.metrics), max_body=0, lifespan="off")],
    )
    await server.start(sock=bind(place, "service.admin"), insecure=True)
    try:
        yield server.address
    finally:
        await server.close(0)


def wants_fine(query: str) -> bool:
    """Whether the query of a request for metrics asks for all buckets."""
    return "buckets=fine" in query.split("&")


class _Metrics:
    """The metrics as an ASGI application: unlike a document, its answer may be made over several turns of the loop."""

    def __init__(self, metrics: CallMetrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer one scrape."""
        if scope["path"] != METRICS_PATH:
            await _respond(send, 404, TEXT, b"not found\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, TEXT, b"metrics are read with GET\n")
        else:
            accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
            form = format_for(accept.decode("latin-1"))
            fine = wants_fine(scope["query_string"].decode("latin-1"))
            for prepare in tuple(self._metrics.before_scrape):
                await prepare()
            await _respond(send, 200, form.value, await written(blocks(self._metrics.registry, form, fine=fine)))


async def _respond(send: Any, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def local_admin(app: App, further: Documents = NO_DOCUMENTS) -> AsyncGenerator[None]:
    """Serve the same at the socket where tools of this user find the process. A process that cannot have one is served without it."""
    async with AsyncExitStack() as stack:
        path: Path | None = None
        try:
            path = socket_path(app.config.name)
            await stack.enter_async_context(admin(app, UnixPath(str(path)), further))
        except SetupError as error:
            log.warning("towpath top does not find this process: %s", error)
        try:
            yield
        finally:
            if path is not None:
                path.unlink(missing_ok=True)
