"""What all tests of labs have."""

import pytest


@pytest.fixture(autouse=True)
def _uncovered(no_cover: None) -> None:
    """No coverage is taken: with it minutes of simulated traffic take four times as long, and what they run through has its own tests."""
