"""`import towpath` stays light: what only a command, a test or a bench needs is not loaded into every service."""

import json
import subprocess
import sys

import pytest

HEAVY = ("cyclopts", "rich", "grpc", "grpc_tools", "prometheus_client", "uvloop", "matplotlib", "pytest", "hypothesis", "unittest")


def loaded_by(statement: str, heavy: tuple[str, ...] = HEAVY) -> list[str]:
    """The heavy modules that a fresh interpreter has after `statement`."""
    script = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(json.loads(completed.stdout))
    return [name for name in heavy if name in modules]


@pytest.mark.parametrize("module", ["towpath", "towpath._core.service", "towpath._transport", "towpath._wire"])
def test_importing_towpath_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") == []


def test_a_heavy_import_is_found() -> None:
    assert loaded_by("import unittest") == ["unittest"]
