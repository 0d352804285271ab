"""What the tests of templates share: templates of several versions, and projects that are committed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import towpath._scaffold.template as shipped
from tests.programs import needed

SHIPPED = Path(shipped.__file__).parent / "templates"


def template(root: Path, version: int, files: Mapping[str, str | None] | None = None, *, kind: str = "service") -> Path:
    """A copy of towpath's template with the number `version`, and with `files` written over it; None deletes one."""
    shutil.copytree(SHIPPED, root)
    (root / kind / "template.toml").write_text(f"version = {version}\n")
    for name, text in (files or {}).items():
        path = root / kind / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def original(name: str) -> str:
    """The text of a file of the service template."""
    return (SHIPPED / "service" / name).read_text()


def commit(folder: Path) -> None:
    """Commit everything in `folder`."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "all")


GIT = {
    "user.name": "Ada",
    "user.email": "ada@example.com",
    "core.autocrlf": "false",
    "core.excludesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "commit.gpgsign": "false",
    "gc.auto": "0",  # in the background, while a test copies the repository
    "maintenance.auto": "false",
}
"""What git does in the tests, whatever the settings of the person who runs them."""


def git(folder: Path, *arguments: str) -> str:
    settings = [part for name, value in GIT.items() for part in ("-c", f"{name}={value}")]
    command = [needed("git"), *settings, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout


def environment() -> dict[str, str]:
    """The environment without what `make test`, pytest and git hooks put there."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS", "PYTEST_", "TOWPATH_", "COV_"))
    }


def make(folder: Path, *targets: str) -> "subprocess.CompletedProcess[str]":
    """Run `make` of a project with this repository's environment, which needs no network."""
    command = ["make", "--silent", *targets, f"BIN={Path(sys.executable).parent}", "SETUP="]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
