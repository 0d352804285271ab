"""Floods over one connection of HTTP/2: each attacker is told to calm down or costs little, and nobody else notices."""

from contextlib import suppress

import pytest

from tests.hostile.floods import FLOODS
from tests.hostile.kit import Victim, attacking, unharmed


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_ends_at_its_sender(kind: str, server: Victim, volume: int) -> None:
    flood = FLOODS[kind]
    async with unharmed(server) as probe, attacking(server, volume) as peer:
        with suppress(ConnectionError):
            await flood.attack(peer)
        assert await peer.ending() in flood.ends
        await probe.goes_on()
