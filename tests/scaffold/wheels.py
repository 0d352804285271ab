"""Wheels of what this environment has, so that a test can let pip install for real and needs no index.

pip installs a wheel by its name and by what is in it, so the files of an installed package make one again.
"""

import os
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

import towpath

_SCRIPTS = Path(sys.executable).parent.resolve()


def wheels(folder: Path, *extras: str) -> dict[str, str]:
    """Put wheels into `folder` of towpath as its sources are, of all that it asks for with `extras`, and of setuptools, which builds. What
    is returned are the variables with which pip looks there and nowhere else."""
    ours = distribution("towpath")
    for name in {"setuptools"} | _closure(ours, frozenset(extras), set()):
        _put(distribution(name), _files(distribution(name)), folder)
    sources = Path(towpath.__file__).parent
    own = [(path, path.relative_to(sources.parent).as_posix()) for path in sources.rglob("*") if path.suffix != ".so"]
    about = [(path, inside) for path, inside in _files(ours) if ".dist-info/" in inside]
    _put(ours, [*own, *about], folder)
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}


def _closure(found: Distribution, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """The names of the packages that `found` asks for with `extras`, of those too that they ask for."""
    for text in found.requires or ():
        requirement = Requirement(text)
        one = (requirement.name, frozenset(requirement.extras))
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        if wanted and one not in seen and requirement.name != "towpath":
            seen.add(one)
            _closure(distribution(requirement.name), one[1], seen)
    return {name for name, _ in seen}


def _files(found: Distribution) -> list[tuple[Path, str]]:
    """The files of `found` that its wheel had, each with its place in it. pip writes the scripts of entry points itself, so of those beside
    Python only programs are from the wheel."""
    files: list[tuple[Path, str]] = []
    for file in found.files or ():
        path, inside = Path(str(found.locate_file(file))), file.as_posix()
        if not inside.startswith(".."):
            files.append((path, inside))
        elif path.parent.resolve() == _SCRIPTS and path.read_bytes().startswith(b"\x7fELF"):
            files.append((path, f"{_stem(found)}.data/scripts/{path.name}"))
    return files


def _stem(found: Distribution) -> str:
    return f"{found.name.replace('-', '_')}-{found.version}"


def _put(found: Distribution, files: Iterable[tuple[Path, str]], folder: Path) -> None:
    """A wheel of `found` in `folder`. Its name claims any platform, since it is for this one only."""
    record: list[str] = []
    with zipfile.ZipFile(folder / f"{_stem(found)}-py3-none-any.whl", "w") as wheel:
        for path, inside in files:
            if path.is_file() and path.suffix != ".pyc" and not inside.endswith((".dist-info/RECORD", "/direct_url.json")):
                wheel.write(path, inside)
                record.append(f"{inside},,")
        about = next(line.partition("/")[0] for line in record if ".dist-info/" in line)
        wheel.writestr(f"{about}/RECORD", "\n".join([*record, f"{about}/RECORD,,", ""]))
