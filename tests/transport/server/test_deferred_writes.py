"""Answers that can wait."""

import asyncio

from tests.layers.virtual_time import virtual
from towpath._transport.server.deferred_writes import PATIENCE, Unhurried


class Writer:
    """Counts how often it is flushed."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


@virtual
async def test_who_has_only_refusals_to_write_writes_once_in_a_while() -> None:
    unhurried, writers = Unhurried(), [Writer(), Writer()]
    for _ in range(3):
        for writer in writers:
            unhurried.add(writer)
    await asyncio.sleep(0.9 * PATIENCE)
    assert [writer.flushed for writer in writers] == [0, 0]
    await asyncio.sleep(0.2 * PATIENCE)
    assert [writer.flushed for writer in writers] == [1, 1]
    unhurried.add(writers[0])
    await asyncio.sleep(1.1 * PATIENCE)
    assert [writer.flushed for writer in writers] == [2, 1]
