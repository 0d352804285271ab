"""The admin listener of a service with several workers: it answers for all of them as `towpath._app.process.admin_server` does for one
process.

The listener asks each worker over a socket in the file system, in threads. So the standard library's HTTP server serves it, which uses
threads, too: a worker that does not answer delays only the scrape that asks it. Where there are too many connections, the oldest makes room
for the next, so that nobody keeps a probe from its answer by saying nothing.
"""

import http.client
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Literal, cast

from towpath._app.process.admin_server import LIVE, MAX_CONNECTIONS, METRICS_PATH, TEXT, wants_fine
from towpath._telemetry.exposition import Format, format_for
from towpath._transport.address import Place, UnixPath, bind, place_of
from towpath._transport.server.routes import NO_DOCUMENTS, Document, Documents

State = Literal["starting", "serving", "unready", "stopping"]

log = logging.getLogger("towpath.app")

Exposition = Callable[[Format, bool], Iterator[str]]
"""A function that gives the metrics of a service in blocks: in a format, and with all buckets or with those that are shown."""

TIMEOUT: Final = 2.0
"""Seconds that a worker may take to send its metrics, of the ten that Prometheus waits."""


_PAUSE: Final = 0.0002
"""Seconds between two blocks of an exposition, in which the event loop of this process gets the interpreter."""


@contextmanager
def probes(place: Place, state: Callable[[], State], exposition: Exposition, further: Documents = NO_DOCUMENTS) -> Generator[str]:
    """Answer at `place` until the `with` block ends, with the `further` documents too, and yield the address as text. Raises SetupError if
    the address cannot be had."""

    def ready() -> Document:
        now = state()
        return Document(TEXT, f"{now}\n".encode(), status=200 if now == "serving" else 503)

    listener = bind(place, "service.admin")
    listener.setblocking(True)
    with _Server(listener, {"/livez": lambda: LIVE, "/readyz": ready, **further}, exposition) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="towpath-probes", daemon=True)
        thread.start()
        try:
            yield str(place_of(listener))
        finally:
            server.shutdown()
            thread.join()


def fetched(place: UnixPath, path: str, accept: str = "*/*") -> str | None:
    """The answer of the HTTP server at `place` to a GET of `path`; None if there is no answer within 2 s, or one with a status other than
    200."""
    connection = _Connection(place)
    try:
        connection.request("GET", path, headers={"accept": accept})
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None  # the worker is starting or stopping
    finally:
        connection.close()
    return text if response.status == http.client.OK else None


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: UnixPath) -> None:
        super().__init__(place.host, timeout=TIMEOUT)
        self._path = place.path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, documents: dict[str, Callable[[], Document]], exposition: Exposition) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.documents = documents
        self.exposition = exposition
        self._requests: dict[Any, None] = {}
        """The connections that are open, in the order in which they came."""
        self._changing = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own. The oldest connection is ended if there are too many: its thread then reads no more."""
        with self._changing:
            self._requests[request] = None
            oldest = next(iter(self._requests)) if len(self._requests) > MAX_CONNECTIONS else None
            if oldest is not None:
                del self._requests[oldest]
        if oldest is not None:
            with suppress(OSError):  # its client was faster
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changing:
            self._requests.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a prober that hangs up, and report all other errors."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("a probe was not answered", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == METRICS_PATH:
            document = self._metrics(query)
        else:
            make = cast("_Server", self.server).documents.get(path)
            document = Document(TEXT, b"not found\n", status=404) if make is None else make()
        self.send_response(document.status)
        self.send_header("content-type", document.content_type)
        self.send_header("content-length", str(len(document.body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(document.body)

    def _metrics(self, query: str) -> Document:
        form, parts = format_for(",".join(self.headers.get_all("accept", ()))), list[bytes]()
        for part in cast("_Server", self.server).exposition(form, wants_fine(query)):
            parts.append(part.encode(errors="replace"))
            time.sleep(_PAUSE)
        return Document(form.value, b"".join(parts))

    do_HEAD = do_GET  # noqa: N815 - as the base class wants it

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Log nothing: probes come every few seconds."""
