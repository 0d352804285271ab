"""The admin listener, for orchestrators and scrapers, on a port that callers do not reach.

    GET /livez      200 as long as the event loop turns
    GET /readyz     200 from when the application serves until it is told to stop, else 503 that says which
    GET /metrics    the metrics in Prometheus' text format

It is up before the program's `main` runs and until the last call has ended, so that a slow start and a long drain are seen for what they
are. It speaks plaintext whatever the service speaks, as probes and scrapers expect: listen where only they can reach it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from towpath._app.application import App
from towpath._transport import Server
from towpath._transport.address import Place, bind
from towpath._transport.server.routes import Document

TEXT: Final = "text/plain; charset=utf-8"
LIVE: Final = Document(TEXT, b"ok\n")


@asynccontextmanager
async def admin(app: App, place: Place) -> AsyncGenerator[str]:
    """Serve the probes and the metrics of `app` at `place`; yields the address as text. Raises SetupError if the address cannot be had."""

    def ready() -> Document:
        state = app.state
        return Document(TEXT, f"{state}\n".encode(), status=200 if state == "serving" else 503)

    def metrics() -> Document:
        return Document(CONTENT_TYPE_PLAIN_0_0_4, generate_latest(app.metrics.registry))

    server = Server((), documents={"/livez": lambda: LIVE, "/readyz": ready, "/metrics": metrics})
    await server.start(sock=bind(place, "service.admin"), insecure=True)
    try:
        yield server.address
    finally:
        await server.close(0)
