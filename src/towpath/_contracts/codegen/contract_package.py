"""A distributable package around the code of contracts: what `towpath gen --package` adds.

    pyproject.toml                                  its name, version and what it depends on
    README.md                                       how its services are imported
    src/shop_contracts/py.typed                     and an __init__.py in each folder
    src/shop_contracts/catalog/v1/catalog.proto     beside catalog_pb2.py, catalog_pb2.pyi and catalog_towpath.py

All modules are below one name, that of the package, so that no file of two packages meets in an environment, whatever contracts both have.
Contracts that every service has anyway, such as google/api and towpath/v1, are left out. Contracts of another installed package stay there,
and the package depends on it. An entry point says that there are contracts, which `towpath gen` of another repository finds
(`towpath._contracts.installed_contracts`).
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from towpath._contracts import naming
from towpath._contracts.codegen.leftovers import PACKAGE_MARK
from towpath._contracts.codegen.release import normal_version, release_of
from towpath._contracts.diagnostics import ContractError, SourceLocation
from towpath._contracts.installed_contracts import GROUP, InstalledPackage, installed_contracts
from towpath._contracts.model import ContractModel
from towpath._contracts.sources import Source, owner_of_common
from towpath._core.errors import SetupError

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESERVED: Final = frozenset({"google", "towpath"})
_RUNTIME: Final = re.compile(rb"^# Protobuf Python Version: (\d+)\.(\d+\.\d+)$", re.MULTILINE)
_DEPENDENCY: Final = FileDescriptorProto.DEPENDENCY_FIELD_NUMBER


@dataclass(frozen=True, kw_only=True)
class ContractPackage:
    """The package `name` in the folder `out`."""

    name: str
    """The name that pip installs."""
    version: str
    out: Path

    @property
    def module(self) -> str:
        """The name that Python imports."""
        return module_of(self.name)

    @property
    def folder(self) -> PurePosixPath:
        """Where the modules are, below `out`."""
        return PurePosixPath("src", self.module)

    def sources(self, sources: Sequence[Source]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
        """Those of `sources` that belong into the package, and a warning for each that every service has already. Raises ContractError if
        nothing is left."""
        owned = {source: owner_of_common(source.name) for source in sources}
        own = tuple(source for source, owner in owned.items() if not owner)
        if not own:
            raise ContractError(
                "there is no contract of your own here",
                location=SourceLocation(file=", ".join(map(str, sources))),
                hint="give the directory or the files of your contracts",
            )
        return own, tuple(f"{source}: warning: left out of the package, because {owner} has it" for source, owner in owned.items() if owner)

    def check_imports(self, files: Sequence[FileDescriptorProto], sources: Sequence[Source], installed: Collection[str]) -> None:
        """Raises ContractError for an import of a contract that the package would not have, nor anything that it depends on."""
        own = {source.name: source for source in sources}
        for file in files:
            for index, name in enumerate(file.dependency if file.name in own else ()):
                if name not in own and name not in installed and not owner_of_common(name):
                    line = next((at.span[0] + 1 for at in file.source_code_info.location if list(at.path) == [_DEPENDENCY, index]), 0)
                    raise ContractError(
                        f'import "{name}" would not be in the package {self.name}',
                        location=SourceLocation(file=str(own[file.name]), line=line, column=1),
                        hint="name its file or folder too, or install the package of contracts that has it",
                    )

    def files(
        self,
        modules: Mapping[PurePosixPath, bytes],
        contracts: Sequence[ContractModel],
        installed: Collection[InstalledPackage],
    ) -> dict[PurePosixPath, bytes]:
        """Every file of the package, by its path below `out`, from the `modules` below their own root."""
        files = {self.folder / path: content for path, content in modules.items()}
        for folder in {parent for path in files for parent in path.parents if parent.is_relative_to(self.folder)}:
            files[folder / "__init__.py"] = f'"""Contracts of {self.name}.\n\n{PACKAGE_MARK}; do not edit.\n"""\n'.encode()
        files[self.folder / "py.typed"] = b""
        files[PurePosixPath("pyproject.toml")] = self._pyproject(modules, installed).encode()
        readme = self.out / "README.md"
        if not readme.is_file() or PACKAGE_MARK in readme.read_text("utf-8", errors="replace"):  # a team may have written one of its own
            files[PurePosixPath("README.md")] = "\n".join(self._readme(modules, contracts)).encode()
        return files

    def _pyproject(self, modules: Mapping[PurePosixPath, bytes], installed: Collection[InstalledPackage]) -> str:
        dependencies = sorted([_towpath(), *_protobuf(modules), *(_at_least(one.distribution, one.version) for one in installed)])
        return "\n".join(
            [
                f"# {PACKAGE_MARK}; do not edit.",
                "[build-system]",
                'requires = ["setuptools>=80"]',
                'build-backend = "setuptools.build_meta"',
                "",
                "[project]",
                f'name = "{self.name}"',
                f'version = "{self.version}"',
                'description = "Contracts: messages, clients and base classes of services"',
                'readme = "README.md"',
                'requires-python = ">=3.11"',
                "dependencies = [",
                *(f'    "{dependency}",' for dependency in dependencies),
                "]",
                "",
                f'[project.entry-points."{GROUP}"]',
                f'{self.module} = "{self.module}"',
                "",
                "[tool.setuptools.packages.find]",
                'where = ["src"]',
                f'include = ["{self.module}", "{self.module}.*"]',
                "",
                "[tool.setuptools.package-data]",
                '"*" = ["py.typed", "*.pyi", "*.proto"]',
                "",
            ]
        )

    def _readme(self, modules: Collection[PurePosixPath], contracts: Sequence[ContractModel]) -> Iterator[str]:
        yield from (f"<!-- {PACKAGE_MARK}; do not edit. A README.md without this line is kept. -->", f"# {self.name}", "")
        services = [(contract, service) for contract in contracts for service in contract.services]
        if services:
            yield from ("| service | import |", "|---|---|")
        for contract, service in services:
            module = f"{self.module}.{naming.module_name(contract.name, '_towpath')}"
            classes = f"{service.class_name}, {service.client_name}, {service.sync_client_name}"
            yield f"| `{service.full_name}` | `from {module} import {classes}` |"
        if services:
            yield ""
        yield from ("Contracts, for an import in a contract of yours:", "")
        yield from (f"- `{path}`" for path in sorted(modules) if path.suffix == ".proto")
        yield ""


def contract_package(name: str, given: str | None, out: Path, paths: Sequence[Path]) -> ContractPackage:
    """The package `name` with the version `given`, or else that of the release of the contracts in `paths`. Raises SetupError for a name
    that none can have and for a version that is none or is not known."""
    _check_name(name, out)
    if given is None:
        return ContractPackage(name=name, version=release_of(name, paths), out=out)
    normal = normal_version(given)
    if normal is None:
        raise SetupError(f"--version {given!r} is no version of a package; write one such as 1.4.0 or 1.5.0rc1")
    return ContractPackage(name=name, version=normal, out=out)


def module_of(name: str) -> str:
    """The name that Python imports of the package that is installed as `name`."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _check_name(name: str, out: Path) -> None:
    module = module_of(name)
    if not _NAME.fullmatch(name) or not naming.is_nameable(module):
        raise SetupError(
            f"--package {name!r} is no name of a package that can be imported; begin with a letter, and use letters, digits and - alone, "
            "as in shop-contracts"
        )
    if module in sys.stdlib_module_names or module in _RESERVED:
        raise SetupError(f"--package {name!r}: `import {module}` finds another package; choose another name, such as {name}-contracts")
    spec = find_spec(module)
    if spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(out.resolve()):
        return
    if not any(package.package == module for package in installed_contracts()):  # an older version of it may be installed
        raise SetupError(f"--package {name!r}: `import {module}` finds {spec.origin}; choose another name, such as {name}-contracts")


def _towpath() -> str:
    try:
        return _at_least("towpath", version("towpath"))
    except PackageNotFoundError:  # run from its sources
        return "towpath"


def _protobuf(modules: Mapping[PurePosixPath, bytes]) -> Iterator[str]:
    """What the generated modules need: not an older protobuf than their compiler's, and not one that is two majors younger."""
    found = next((match for content in modules.values() if (match := _RUNTIME.search(content))), None)
    if found:
        major = int(found[1])
        yield f"protobuf>={major}.{found[2].decode()},<{major + 2}"


def _at_least(distribution: str, found: str) -> str:
    return f"{distribution}>={found.partition('+')[0]}"
