"""Environments with the wheel and what it asks for, and nothing else.

The packages that the wheel asks for come from the environment of this repository by links, so that no network is needed.
"""

import os
import subprocess
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

SLOWLY = 1200.0
"""Seconds for a command in a new environment, where Python compiles all that it imports, beside other tests."""

NOT_OURS = ("TOWPATH_", "PYTHON", "PYTEST_", "COV_", "GIT_", "FORCE_COLOR", "PY_COLORS")
"""The beginnings of variables that change what a command does or prints."""


def needed(found: Distribution, extras: set[str], seen: dict[str, set[str]]) -> dict[str, set[str]]:
    """The names of the packages that `found` asks for with `extras`, of those too that they ask for, in `seen`."""
    for text in found.requires or ():
        requirement = Requirement(text)
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        known = seen.get(requirement.name)
        if wanted and requirement.name != "towpath" and (known is None or not requirement.extras <= known):
            seen[requirement.name] = (known or set()) | requirement.extras
            needed(distribution(requirement.name), requirement.extras, seen)
    return seen


def installed(folder: Path, wheel: Path, *extras: str) -> Path:
    """The Python of a new environment with `wheel` and what it asks for with `extras`."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (about,) = site.glob("towpath-*.dist-info")
    linked(site, about, *extras)
    return folder / "bin" / "python"


def linked(site: Path, about: Path, *extras: str) -> None:
    """Put what the distribution `about` asks for with `extras` into `site`."""
    for name in needed(Distribution.at(about), set(extras), {}):
        source = distribution(name)
        for top in {file.parts[0] for file in source.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(source.locate_file(top))))


def run(python: Path, folder: Path, *arguments: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    ran = subprocess.run([str(python), *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=SLOWLY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def extended(folder: Path, plain: Path, *extras: str) -> Path:
    """The Python of a new environment with the wheel that `plain`, a Python, has, and what the wheel asks for with `extras`."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (there,) = plain.parents[1].glob("lib/python*/site-packages")
    (about,) = there.glob("towpath-*.dist-info")
    for part in (there / "towpath", about):
        (site / part.name).symlink_to(part)
    linked(site, about, *extras)
    return folder / "bin" / "python"
