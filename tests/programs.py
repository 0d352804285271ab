"""Programs that some tests run and no package of Python's brings."""

import os
import shutil

import pytest


def needed(name: str, package: str | None = None) -> str:
    """Where the program `name` is. Without it the test is skipped, but in CI it fails."""
    found = shutil.which(name)
    if found is not None:
        return found
    remedy = f"install {package or name}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing where CI=true; {remedy}")
    pytest.skip(f"{name} is missing; {remedy} to run this")
