"""The documents of the admin listener for a person who looks into a running process.

    GET /debug/tasks            the tree of waiting tasks, as JSON
    GET /debug/blocks           the last times in which the event loop did not turn, as JSON
    GET /debug/profile/start    start to sample the stacks of all threads; 409 if that goes on already
    GET /debug/profile          the stacks that were sampled, one a line with its count
    GET /debug/profile/stop     the same, and sample no more

They show names and lines of code, names of tasks and methods, and ids of calls; no values. They are there if the listener's address is one
of this machine alone, or if `telemetry.debug_documents` is "on".
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Final

from towpath._app.settings.telemetry.loop import DebugDocuments
from towpath._telemetry.loop_monitor.block import Block, written
from towpath._telemetry.profile.sampler import Sampler
from towpath._telemetry.tasks.task_tree import task_tree
from towpath._transport.address import Place
from towpath._transport.server.routes import Document

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

PATHS: Final = ("/debug/tasks", "/debug/blocks", "/debug/profile/start", "/debug/profile", "/debug/profile/stop")
"""The documents of a process, which a supervisor of workers has too."""


def shown(setting: DebugDocuments, place: Place) -> bool:
    """Whether a listener at `place` has the documents."""
    return setting == "on" or (setting == "loopback" and place.loopback)


def debug_documents(blocks: Callable[[], tuple[Block, ...]]) -> Mapping[str, Callable[[], Document]]:
    """The documents of the process that asks, in its loop's thread."""
    sampler = Sampler()

    def start() -> Document:
        if sampler.start():
            return Document(TEXT, b"started\n")
        return Document(TEXT, b"a profile is being taken already; read it at /debug/profile or wait until it has ended\n", status=409)

    def stop() -> Document:
        sampler.stop()
        return Document(TEXT, sampler.collapsed().encode(errors="replace"))

    return {
        "/debug/tasks": lambda: Document(JSON, json.dumps(task_tree(asyncio.all_tasks()).told()).encode()),
        "/debug/blocks": lambda: Document(JSON, written(blocks()).encode()),
        "/debug/profile/start": start,
        "/debug/profile": lambda: Document(TEXT, sampler.collapsed().encode(errors="replace")),
        "/debug/profile/stop": stop,
    }
