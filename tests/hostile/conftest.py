"""The servers that the tests of this folder attack: one for each event loop."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.budget import BUDGET
from tests.hostile.kit import LOOPS, Victim, victim

LONG = 7200
"""Seconds that a test of a long run may take."""


@pytest.fixture(scope="session", params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[Victim]:
    """A server with default settings."""
    with victim(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def volume() -> int:
    """How many times as much an attacker sends as in a short run."""
    return BUDGET.volume


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the tests of a long run take long."""
    if config.getoption("--hostile-long"):
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.timeout(LONG))


def pytest_configure(config: pytest.Config) -> None:
    """Called when this file is imported, before the tests of this folder are: their numbers of examples are fixed then."""
    if config.getoption("--hostile-long"):
        BUDGET.lengthen()
