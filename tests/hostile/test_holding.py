"""What attackers make a server hold for them is bounded, and given back when they go."""

import pytest

from tests.hostile.holding import HOLDS
from tests.hostile.kit import Victim, unharmed


@pytest.mark.parametrize("kind", HOLDS)
async def test_what_is_held_is_bounded(kind: str, server: Victim, volume: int) -> None:
    async with unharmed(server) as probe:
        await HOLDS[kind](server, probe, volume)
