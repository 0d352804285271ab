"""Finds and opens the files of flight recorders."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError
from towpath._telemetry.traces.rings import RingFile, Rings, opened

SUFFIX: Final = ".ring"


def folders() -> list[Path]:
    """Where services of this user keep their rings unless `telemetry.recorder_directory` says something else."""
    name = f"towpath-{os.getuid()}" if hasattr(os, "getuid") else "towpath"
    return [Path("/dev/shm", name), Path(tempfile.gettempdir(), name)]  # noqa: S108 # only their owner can write there


def rings_of(named: Sequence[Path]) -> Rings:
    """The rings that were named, or else all of this user.

    Raises SetupError if one that was named cannot be read, or if there is none. One that was not named and cannot be read is left out with
    a line on standard error: it may be another version's, or may just have been removed.
    """
    if named:
        return Rings([opened(path) for path in _distinct(named)])
    files = list[RingFile]()
    for path in sorted(path for folder in folders() for path in folder.glob(f"*{SUFFIX}")):
        try:
            files.append(opened(path))
        except SetupError as error:
            if path.exists():
                sys.stderr.write(f"left out: {error}\n")
    if not files:
        where = " nor in ".join(map(str, folders()))
        raise SetupError(
            f"there is no file of a flight recorder in {where}; start a service, or name files with --file, also of processes that ended"
        )
    return Rings(files)


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Each file once, with the rings of a folder in its place."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not inside:
            raise SetupError(f"{path} has no file of a flight recorder, which would be called *{SUFFIX}; name another folder or the files")
        found.update(dict.fromkeys(inside))
    return list(found)
