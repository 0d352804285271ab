"""`towpath gen` as a function: contracts in, committed Python out, or the list of files that are not up to date.

For each contract come `_pb2.py` and `_pb2.pyi` from protoc, and `_towpath.py` and `_fakes.py` if it has services. Everything is worked out
before anything is written, so a faulty contract leaves the output as it was. Only files that differ are touched, and none that was not
generated. Modules of contracts that are only imported are not written: they belong to the owner of those contracts. With a name of a
package the output is a project that can be built and installed (`contract_package`).
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from towpath._contracts import naming
from towpath._contracts.codegen.contract_package import ContractPackage, contract_package
from towpath._contracts.codegen.emitter import emit
from towpath._contracts.codegen.fakes import emit_fakes
from towpath._contracts.codegen.leftovers import find_leftovers, find_package_leftovers, refuse_to_overwrite
from towpath._contracts.codegen.output import remove_abandoned, write_files
from towpath._contracts.codegen.shadowed_modules import shadowed_modules
from towpath._contracts.codegen.stubs import mark_deprecated
from towpath._contracts.descriptors import read_contracts
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.installed_contracts import owners
from towpath._contracts.module_names import ModuleNames
from towpath._contracts.protoc import compile_sources
from towpath._contracts.sources import Source, find_roots, find_sources, owner_of_common
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
    import_prefix: str = ""
    """The package that `out` is, such as `shop.gen`; empty if `out` itself is on Python's path."""
    skip_bindings: bool = False
    """True leaves out bindings to HTTP that cannot be served, with a warning; False refuses the contract."""
    package: str | None = None
    """The name of a distributable package that `out` becomes, such as `shop-contracts`; None for code alone."""
    version: str | None = None
    """The version of the package; None for that of the newest release in git whose contracts these are."""
    fakes: bool = True
    """Whether each contract with services gets their fakes, too, in `_fakes.py`."""


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
    """The warnings, one a line: protoc's, and those about bindings that were left out and modules that cannot be imported."""

    @property
    def up_to_date(self) -> bool:
        """Whether there was nothing to do."""
        return not self.written and not self.removed


def generate(options: GenerateOptions) -> GenerateResult:
    """Generate, or with `options.check` compare. Blocks while protoc runs (tenths of a second).

    Raises `ContractError`, naming file and line, for the first fault in a contract or a path and for a file in the way that was not
    generated, and `SetupError` if protoc is missing. Then the output is as it was.
    """
    _check(options)
    roots = find_roots(options.paths, options.proto_roots)
    sources = find_sources(options.paths, roots)
    warnings: tuple[str, ...] = ()
    package = contract_package(options.package, options.version, options.out, options.paths) if options.package is not None else None
    if package:
        sources, warnings = package.sources(sources)
    compiled = compile_sources(sources, roots)
    descriptors = FileDescriptorSet.FromString(compiled.descriptors).file
    own = {source.name for source in sources}
    imported = [file.name for file in descriptors if file.name not in own and not owner_of_common(file.name)]
    installed = owners(name for name in imported if not any((root / name).exists() for root in roots))
    names = ModuleNames(
        {naming.module_name(name, suffix) for name in own for suffix in ("_pb2", "_towpath")},
        package.module if package else options.import_prefix,
        {naming.module_name(name, "_pb2"): holder.package for name, holder in installed.items()},
    )
    files = {PurePosixPath(path.as_posix()): names.rewrite(text).encode() for path, text in compiled.modules.items()}
    for file in descriptors:
        stub = PurePosixPath(naming.module_name(file.name, "_pb2").replace(".", "/") + ".pyi")
        if file.name in own:
            files[stub] = mark_deprecated(files[stub].decode(), file).encode()
    contracts = read_contracts(compiled.descriptors, sources, names, skip_bindings=options.skip_bindings)
    for contract in contracts.models:
        services = naming.module_name(contract.name, "_towpath")
        files[_file(services)] = emit(contract).encode()
        if options.fakes:
            files[_file(naming.module_name(contract.name, "_fakes"))] = emit_fakes(contract, names.importable(services)).encode()
    if options.ship_protos or package:
        files |= {PurePosixPath(source.name): source.path.read_bytes() for source in sources}
    warnings += (*compiled.warnings, *contracts.warnings)
    if package:
        package.check_imports(descriptors, sources, installed)
        files = package.files(files, contracts.models, set(installed.values()))
    else:
        warnings += tuple(shadowed_modules(files, options.out, options.import_prefix))
    return _settle(options, files, _Made(sources=sources, roots=roots, package=package, warnings=warnings))


def _check(options: GenerateOptions) -> None:
    if options.package is not None and options.import_prefix:
        raise SetupError("--import-prefix beside --package: the modules of a package are below its own name; leave out --import-prefix")
    if options.version is not None and options.package is None:
        raise SetupError("--version is that of a package; give its name with --package, or leave out --version")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What files were made of."""

    sources: Sequence[Source]
    roots: Sequence[Path]
    package: ContractPackage | None
    warnings: tuple[str, ...]


def _settle(options: GenerateOptions, files: dict[PurePosixPath, bytes], made: _Made) -> GenerateResult:
    outdated: dict[Path, bytes] = {}
    unchanged: list[Path] = []
    try:
        if made.package:
            stale = list(find_package_leftovers(options.out / made.package.folder, {options.out / name for name in files}))
        else:
            stale = list(find_leftovers(options.out, files, made.sources, made.roots, shipped=options.ship_protos))
        for name, content in sorted(files.items()):
            path = options.out / name
            if path.exists() and path.read_bytes() == content:
                unchanged.append(path)
            else:
                outdated[path] = content
        if not options.check:
            refuse_to_overwrite(outdated)
            remove_abandoned(sorted({(options.out / name).parent for name in files}))
            write_files(outdated, stale)
    except OSError as error:
        raise _unwritable(error, options.out) from error
    return GenerateResult(written=tuple(outdated), removed=tuple(stale), unchanged=tuple(unchanged), warnings=made.warnings)


def _file(module: str) -> PurePosixPath:
    return PurePosixPath(module.replace(".", "/") + ".py")


_NO_SPACE: Final = "make room on the disk, or give --out a directory on another one; the output is as it was"
_NOT_WRITABLE: Final = "give --out a directory that exists or can be made, and that you may write to"


def _unwritable(error: OSError, out: Path) -> SetupError:
    file = error.filename if isinstance(error.filename, str) else str(out)
    reason = (error.strerror or type(error).__name__).lower()
    return ContractError(
        f"cannot be written: {reason}",
        location=SourceLocation(file=file),
        hint=_NO_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else _NOT_WRITABLE,
    )
