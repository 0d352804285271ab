"""`towpath gen` as a function: contracts in, committed Python out, or the list of files that are not up to date.

For each contract come `_pb2.py` and `_pb2.pyi` from protoc, and `_towpath.py` if it has services. Everything is worked out before anything
is written, so a faulty contract leaves the output as it was; only files that differ are touched. Modules of contracts that are only
imported are not written: they belong to the owner of those contracts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from towpath._contracts import naming
from towpath._contracts.codegen.emitter import emit
from towpath._contracts.codegen.leftovers import find_leftovers
from towpath._contracts.descriptors import read_contracts
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.own_package import rewrite_imports
from towpath._contracts.protoc import compile_sources
from towpath._contracts.sources import Source, find_roots, find_sources
from towpath._core.errors import SetupError


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """The input and the output of a run."""

    paths: Sequence[Path]
    """`.proto` files and directories of them."""
    out: Path
    """The directory that is on Python's path; it is created if need be."""
    proto_roots: Sequence[Path] = ()
    """The directories that imports start from; empty takes the directories among `paths`."""
    check: bool = False
    """True writes nothing and only compares."""
    ship_protos: bool = False
    """True also copies the contracts to `out`, for a package whose contracts others import (as googleapis-common-protos does)."""


@dataclass(frozen=True, kw_only=True)
class GenerateResult:
    """What `generate` did, or with `check` would have done; every path is below `out` and includes it."""

    written: tuple[Path, ...]
    """Files that differed from the contracts or did not exist."""
    removed: tuple[Path, ...]
    """Files of contracts that are gone or no longer have services."""
    unchanged: tuple[Path, ...]
    """Files that were right already."""
    warnings: tuple[str, ...]
    """The warnings of protoc, one a line."""

    @property
    def up_to_date(self) -> bool:
        """Whether there was nothing to do."""
        return not self.written and not self.removed


def generate(options: GenerateOptions) -> GenerateResult:
    """Generate, or with `options.check` compare. Blocks while protoc runs (tenths of a second).

    Raises `ContractError`, naming file and line, for the first fault in a contract or a path, and `SetupError` if protoc is missing.
    """
    roots = find_roots(options.paths, options.proto_roots)
    sources = find_sources(options.paths, roots)
    compiled = compile_sources(sources, roots)
    files = {PurePosixPath(path.as_posix()): rewrite_imports(text).encode() for path, text in compiled.modules.items()}
    for contract in read_contracts(compiled.descriptors, sources):
        files[_towpath_file(contract.name)] = emit(contract).encode()
    if options.ship_protos:
        files |= {PurePosixPath(source.name): source.path.read_bytes() for source in sources}
    return _settle(options, files, sources, roots, compiled.warnings)


def _settle(
    options: GenerateOptions,
    files: dict[PurePosixPath, bytes],
    sources: Sequence[Source],
    roots: Sequence[Path],
    warnings: tuple[str, ...],
) -> GenerateResult:
    outdated: dict[Path, bytes] = {}
    unchanged: list[Path] = []
    try:
        stale = list(find_leftovers(options.out, files, sources, roots, shipped=options.ship_protos))
        for name, content in sorted(files.items()):
            path = options.out / name
            if path.exists() and path.read_bytes() == content:
                unchanged.append(path)
            else:
                outdated[path] = content
        if not options.check:
            for path, content in outdated.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            for path in stale:
                path.unlink()
    except OSError as error:
        raise _unwritable(error, options.out) from error
    return GenerateResult(written=tuple(outdated), removed=tuple(stale), unchanged=tuple(unchanged), warnings=warnings)


def _towpath_file(proto: str) -> PurePosixPath:
    return PurePosixPath(naming.module_name(proto, "_towpath").replace(".", "/") + ".py")


def _unwritable(error: OSError, out: Path) -> SetupError:
    file = error.filename if isinstance(error.filename, str) else str(out)
    reason = (error.strerror or type(error).__name__).lower()
    return ContractError(
        f"cannot be written: {reason}",
        location=SourceLocation(file=file),
        hint="give --out a directory that exists or can be made, and that you may write to",
    )
