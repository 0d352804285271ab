"""Generated files that belong to no contract any more: the contract was deleted or renamed, or lost its services.

Only files with a mark of generation are ever found, and only in directories that the same run generates into: elsewhere may be the code of
contracts that this run was not shown.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from towpath._contracts.codegen.emitter import MARK
from towpath._contracts.sources import Source

_ORIGIN: Final = re.compile(rf"^(?:# source: |{MARK})(\S+\.proto)\b", re.MULTILINE)  # the first is protoc's
_MODULES: Final = ("_pb2.py", "_towpath.py")


def find_leftovers(
    out: Path, files: Collection[PurePosixPath], sources: Sequence[Source], roots: Sequence[Path], *, shipped: bool
) -> Iterator[Path]:
    """The files that are left over beside `files`, the paths below `out` that `sources` generate. With `shipped`, copies of contracts count
    too."""
    given = {source.name for source in sources}
    for directory in sorted({file.parent for file in files}):
        for path in sorted((out / directory).glob("*.py")):
            if directory / path.name in files or not path.name.endswith(_MODULES):
                continue
            origin = _ORIGIN.search(path.read_text("utf-8", errors="replace"))
            # A contract that exists but was not given is none of this run's business.
            if origin is None or (origin[1] not in given and any((root / origin[1]).exists() for root in roots)):
                continue
            yield path
            if path.name.endswith("_pb2.py"):
                companions = [path.with_suffix(".pyi")]
                if shipped:
                    companions.append(path.with_name(PurePosixPath(origin[1]).name))
                yield from (companion for companion in companions if companion.exists())
