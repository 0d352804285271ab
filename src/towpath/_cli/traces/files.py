"""Opens the files of flight recorders that were named, or all of this user."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.ring_files import ring_files
from towpath._telemetry.runtime_folder import bases
from towpath._telemetry.traces.rings import RingFile, Rings, opened

SUFFIX: Final = ".ring"


def rings_of(named: Sequence[Path]) -> Rings:
    """The rings that were named, or else all of this user.

    Raises SetupError if one that was named cannot be read, or if there is none. One that was not named and cannot be read is left out with
    a line on standard error: it may be another version's, or may just have been removed.
    """
    if named:
        return Rings([opened(path) for path in _distinct(named)])
    files = list[RingFile]()
    for path in ring_files():
        try:
            files.append(opened(path))
        except SetupError as error:
            if path.exists():
                sys.stderr.write(f"left out: {error}\n")
    if not files:
        raise SetupError(
            f"no process of this user has a flight recorder's file in {' or '.join(map(str, bases()))}; start a service, or name files or "
            "folders with --file"
        )
    return Rings(files)


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Each file once, with the rings of a folder in its place. A folder may also be what `telemetry.recorder_directory` names."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = (sorted(path.glob(f"*{SUFFIX}")) or ring_files(path)) if path.is_dir() else [path]
        if not inside:
            raise SetupError(f"{path} has no file of a flight recorder, which would be called *{SUFFIX}; name another folder or the files")
        found.update(dict.fromkeys(inside))
    return list(found)
