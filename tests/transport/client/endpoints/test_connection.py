"""Whom a server's settings wake of the calls that wait for room on its connection."""

import asyncio

from tests.transport.test_connection_driver import Recording
from towpath._transport.client.endpoints.connection import ClientLink
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import Setting
from towpath._wire.http2.limits import DEFAULT_LIMITS


class Waking:
    """An endpoint that counts how often all of its calls are woken."""

    def __init__(self) -> None:
        self.woken = 0

    def retire(self, link: ClientLink) -> None: ...
    def replace(self, link: ClientLink) -> None: ...
    def forget(self, link: ClientLink) -> None: ...
    def wake_one(self) -> None: ...

    def wake_all(self) -> None:
        self.woken += 1


async def test_settings_without_room_wake_nobody() -> None:
    """Else a server that changes them over and over would have ten thousand calls look each time."""
    loop, endpoint = asyncio.get_running_loop(), Waking()
    link = ClientLink(loop, endpoint, DEFAULT_LIMITS)
    link.connection_made(Recording(loop, link))
    none, some = (frames.settings([(Setting.MAX_CONCURRENT_STREAMS, count)]) for count in (0, 5))
    link.data_received(none)
    await link.wait_ready()
    assert endpoint.woken == 1
    link.data_received(none * 100)
    assert endpoint.woken == 1
    link.data_received(some)
    assert endpoint.woken == 2
    link.abort()
    await link.closed
