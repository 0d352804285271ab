"""Which `.proto` files to compile, and where their imports are looked for.

A contract is known by its name below a root (`echo/v1/echo.proto` below `proto`): others import it by that name, and its generated module
goes there. Some imports need no flag: towpath's options, what the googleapis-common-protos package has (google/api, google/rpc,
google/type, google/longrunning), google/protobuf from the compiler itself, and the contracts of installed packages that say that they have
some (`installed_contracts`). Nothing is fetched from a network.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.installed_contracts import installed_contracts
from towpath._core.errors import SetupError

OWN_MODULES: Final = Path(__file__).parent.parent / "_gen"
"""Where towpath's own contracts and the modules generated from them are packaged."""


_IMPORTABLE: Final = re.compile(r"[\w./-]+")
_OPERATIONS: Final = "google/longrunning/operations.proto"


@dataclass(frozen=True, kw_only=True, order=True)
class Source:
    """One contract: its name as an import (`echo/v1/echo.proto`) and the root below which it was found."""

    name: str
    root: Path

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self.root / self.name

    def __str__(self) -> str:
        return str(self.path)


def find_roots(paths: Sequence[Path], proto_root: Sequence[Path]) -> tuple[Path, ...]:
    """The roots that imports start from: `proto_root`, else every directory among `paths`. Raises `SetupError` if there is none,
    `ContractError` for a path that does not exist and a root that cannot be one."""
    for path in paths:
        try:
            path.stat()
        except OSError as error:
            raise _unreadable(error, path) from error
    roots = tuple(dict.fromkeys(proto_root or (path for path in paths if path.is_dir())))
    if not roots:
        named = ", ".join(map(str, paths)) or "nothing"
        raise SetupError(f"no root to import from: {named} given; name a directory of contracts, or give --proto-root")
    for root in roots:
        if not root.is_dir():
            raise ContractError(
                "the proto root is not a directory",
                location=SourceLocation(file=str(root)),
                hint="give the directory that imports start from",
            )
        if os.pathsep in str(root) or "=" in str(root):
            raise ContractError(
                f"protoc cannot take a root whose name has {os.pathsep!r} or '='",
                location=SourceLocation(file=str(root)),
                hint="rename the directory",
            )
    return roots


def find_sources(paths: Sequence[Path], roots: Sequence[Path]) -> tuple[Source, ...]:
    """The contracts that `paths` name: each file, and each directory's files at any depth but in hidden directories; sorted by name.

    Raises `ContractError` for a path that cannot be read, for a file below no root, for two files of one name, and if there is no file at
    all.
    """
    found: dict[str, Source] = {}
    for path in paths:
        for file in _files_of(path):
            source = _source_of(file, roots)
            if not _IMPORTABLE.fullmatch(source.name):
                raise ContractError(
                    "the name of this contract cannot become the name of a Python module",
                    location=SourceLocation(file=str(source)),
                    hint="use letters, digits, _, - and . alone in the names of the file and of the folders below the proto root",
                )
            other = found.setdefault(source.name, source)
            if other.path.resolve() != source.path.resolve():
                raise _same_name(source, other)
    if not found:
        named = ", ".join(map(str, paths))
        raise ContractError(
            "there is no .proto file here", location=SourceLocation(file=named), hint="give the directory or the files of your contracts"
        )
    for source in found.values():
        _check_not_shadowed(source, roots)
    return tuple(sorted(found.values()))


def include_arguments(roots: Sequence[Path]) -> list[str]:
    """The flags that tell protoc of `roots`, of the contracts that come with towpath, and of those of installed packages. Earlier wins: a
    contract may carry its own copy of an import."""
    arguments = [f"-I{root}" for root in (*roots, OWN_MODULES)]
    for directory in _google_directories():
        # googleapis-common-protos carries this contract under another name; its module, and everybody's import, have this one.
        arguments += [f"-I{_OPERATIONS}={directory}/longrunning/operations_proto.proto", f"-Igoogle={directory}"]
    # The compiler would look into its own google/protobuf last.
    spec = find_spec("grpc_tools")
    arguments += [f"-I{Path(location, '_proto')}" for location in (spec.submodule_search_locations if spec else None) or ()]
    return [*arguments, *(f"-I{package.root}" for package in installed_contracts())]


def owner_of_common(name: str) -> str:
    """The distribution that every service has and that has the contract `name`, such as towpath; empty for all other contracts."""
    if name.startswith("google/protobuf/"):
        return "protobuf"
    if (OWN_MODULES / name).is_file():
        return "towpath"
    common = any(Path(directory, name.removeprefix("google/")).is_file() for directory in _google_directories())
    return "googleapis-common-protos" if name == _OPERATIONS or (common and name.startswith("google/")) else ""


def _google_directories() -> Iterator[str]:
    # Mapped onto `google/`, because the package lives in site-packages: including all of that would let a contract import whatever
    # happens to be installed, and compile on one machine only.
    spec = find_spec("google.api")
    for location in spec.submodule_search_locations or () if spec else ():
        yield str(Path(location).parent)


def _files_of(path: Path) -> Iterable[Path]:
    try:
        if path.is_dir():
            return sorted(_walk(path))
        with path.open("rb"):
            return [path]
    except OSError as error:
        raise _unreadable(error, path) from error


def _walk(directory: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for parent, directories, names in os.walk(directory, onerror=refuse):
        # Environments and caches have names with a dot in front, and carry contracts of others.
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in names:
            if name.endswith(".proto"):
                file = Path(parent, name)
                with file.open("rb"):
                    yield file


def _unreadable(error: OSError, path: Path) -> ContractError:
    file = error.filename if isinstance(error.filename, str) else str(path)
    reason = (error.strerror or type(error).__name__).lower()
    return ContractError(
        f"cannot be read: {reason}", location=SourceLocation(file=file), hint="check that the path is right and that you may read it"
    )


def _source_of(file: Path, roots: Sequence[Path]) -> Source:
    resolved = file.absolute()
    for root in roots:
        if resolved.is_relative_to(root.absolute()):
            return Source(name=resolved.relative_to(root.absolute()).as_posix(), root=root)
    named = ", ".join(map(str, roots))
    raise ContractError(
        f"the file is below no proto root ({named})", location=SourceLocation(file=str(file)), hint="add its root with --proto-root"
    )


def _check_not_shadowed(source: Source, roots: Sequence[Path]) -> None:
    for root in roots[: roots.index(source.root)]:
        if (root / source.name).exists():
            raise _same_name(source, Source(name=source.name, root=root))


def _same_name(source: Source, other: Source) -> ContractError:
    return ContractError(
        f"two contracts are both imported as {source.name}",
        location=SourceLocation(file=str(source)),
        also=SourceLocation(file=str(other)),
        hint="move one of them to the directory of its package, or leave out one root",
    )
