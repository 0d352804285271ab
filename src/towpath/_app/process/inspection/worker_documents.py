"""The debug documents of a service with several workers: the supervisor asks each worker and tells of all of them by their numbers."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from towpath._app.process.inspection.debug_documents import JSON, PATHS, TEXT
from towpath._app.process.worker_probes import fetched
from towpath._transport.address import UnixPath
from towpath._transport.server.routes import Document


def worker_documents(workers: Sequence[tuple[int, UnixPath | None]]) -> Mapping[str, Callable[[], Document]]:
    """The documents about `workers`, each with its number and the address of its own listener. They are made in threads, so a worker that
    does not answer within 2 s delays nobody else; it is told as null."""
    return {path: _document(workers, path) for path in PATHS}


def _document(workers: Sequence[tuple[int, UnixPath | None]], path: str) -> Callable[[], Document]:
    def make() -> Document:
        with ThreadPoolExecutor(len(workers)) as threads:
            texts = list(threads.map(_fetched, (place for _, place in workers), [path] * len(workers)))
        told = zip((index for index, _ in workers), texts, strict=True)
        if path.startswith("/debug/profile"):
            lines = (f"worker {index};{line}\n" for index, text in told for line in (text or "").splitlines())
            return Document(TEXT, "".join(lines).encode(errors="replace"))
        parts = ", ".join(f'"{index}": {text if text is not None else "null"}' for index, text in told)
        return Document(JSON, json.dumps({"workers": json.loads(f"{{{parts}}}")}).encode())

    return make


def _fetched(place: UnixPath | None, path: str) -> str | None:
    return None if place is None else fetched(place, path)
