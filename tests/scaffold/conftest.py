"""What the tests share that install for real."""

import os

import pytest

from tests.scaffold.wheels import wheels


@pytest.fixture(scope="package")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a newcomer's shell, in which pip has towpath and what it asks for, and no index."""
    folder = tmp_path_factory.mktemp("wheels")
    return {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", **wheels(folder, "cli", "gen", "speed", "testing")}
