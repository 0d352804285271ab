"""Which files of the output were generated, and which of them belong to no contract any more: the contract was deleted or renamed, or
lost its services.

Only files with a mark of generation are ever found, and only in directories that the same run generates into: elsewhere may be the code of
contracts that this run was not shown.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from towpath._contracts.codegen.emitter import MARK
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.sources import Source

_ORIGIN: Final = re.compile(rf"^(?:# source: |{MARK})(\S+\.proto)\b", re.MULTILINE)  # the first is protoc's
_STUB: Final = re.compile(r"^DESCRIPTOR: _descriptor\.FileDescriptor$", re.MULTILINE)
_MODULES: Final = ("_pb2.py", "_towpath.py")


def refuse_to_overwrite(paths: Iterable[Path]) -> None:
    """Raises ContractError for the first of `paths` that has something in it which was not generated. Stubs of protoc and copied contracts
    have no mark of their own: a stub is known by its descriptor, and a contract by the generated module beside it."""
    for path in paths:
        if path.is_file() and path.stat().st_size and not _is_generated(path):
            raise ContractError(
                "this file is in the way, and was not made by towpath gen",
                location=SourceLocation(file=str(path)),
                hint="nothing was written; move the file away, rename the contract, or give another --out",
            )


def _is_generated(path: Path) -> bool:
    if path.suffix == ".proto":
        path = path.with_name(f"{path.stem.replace('-', '_')}_pb2.py")
        if not path.is_file():
            return False
    text = path.read_text("utf-8", errors="replace")
    return (_STUB if path.suffix == ".pyi" else _ORIGIN).search(text) is not None


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
