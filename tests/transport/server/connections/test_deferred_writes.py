"""Writes that can wait."""

import asyncio

from tests.layers.virtual_time import virtual
from towpath._transport.server.connections.deferred_writes import MAX_DELAY, DeferredWrites


class Writer:
    """Counts how often it is flushed."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


@virtual
async def test_a_connection_that_has_only_rejections_to_write_writes_once_in_a_while() -> None:
    deferred, writers = DeferredWrites(), [Writer(), Writer()]
    for _ in range(3):
        for writer in writers:
            deferred.add(writer)
    await asyncio.sleep(0.9 * MAX_DELAY)
    assert [writer.flushed for writer in writers] == [0, 0]
    await asyncio.sleep(0.2 * MAX_DELAY)
    assert [writer.flushed for writer in writers] == [1, 1]
    deferred.add(writers[0])
    await asyncio.sleep(1.1 * MAX_DELAY)
    assert [writer.flushed for writer in writers] == [2, 1]
