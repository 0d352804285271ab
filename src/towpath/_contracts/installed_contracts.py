"""The contracts of installed packages, for those that import them.

A package says that it has contracts by an entry point of the group `towpath.contracts`, whose value is the package to import, as those do
that `towpath gen --package` makes. Imports of contracts start from the folder of that package, and the modules made of them are in it:
`catalog/v1/catalog.proto` of the package `shop_contracts` is `shop_contracts.catalog.v1.catalog_pb2`. Only packages that say so are looked
into: a contract that could import whatever happens to be installed would compile on one machine only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from towpath._contracts import naming
from towpath._contracts.diagnostics import ContractError, SourceLocation

GROUP: Final = "towpath.contracts"
"""The group of entry points."""

_DESCRIPTOR: Final = re.compile(r"AddSerializedFile\((.+)\)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, order=True)
class InstalledPackage:
    """An installed package with contracts."""

    package: str
    """The name by which Python imports it."""
    root: Path
    """The folder of the package, which imports of contracts start from."""
    distribution: str
    """The name by which it is installed."""
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    def has(self, contract: str) -> bool:
        """Whether the package has `contract`, a name as an import (`catalog/v1/catalog.proto`)."""
        return (self.root / contract).is_file()

    def descriptor(self, contract: str) -> str:
        """The descriptor of `contract`, as its module has it in its text. Comments of the contract are not in it."""
        path = self.root / f"{naming.module_name(contract, '_pb2').replace('.', '/')}.py"
        found = _DESCRIPTOR.search(path.read_text("utf-8")) if path.is_file() else None
        return found[1] if found else ""


def installed_contracts() -> Sequence[InstalledPackage]:
    """The installed packages that have contracts, sorted by the names of their packages. No code of theirs runs."""
    found = (_package(point) for point in entry_points(group=GROUP))
    return sorted({one.root: one for one in found if one is not None}.values())


def owners(contracts: Iterable[str]) -> Mapping[str, InstalledPackage]:
    """The installed package that has each of `contracts`, if any has it. Raises ContractError if two packages have different contracts of
    one name, which no process could import."""
    packages = installed_contracts()
    found: dict[str, InstalledPackage] = {}
    for contract in contracts:
        holders = [package for package in packages if package.has(contract)]
        for other in holders[1:]:
            if other.descriptor(contract) != holders[0].descriptor(contract):
                raise ContractError(
                    f"{holders[0]} and {other} have different contracts of this name, and no process can import both",
                    location=SourceLocation(file=contract),
                    hint="install versions whose copies are the same, or put the contract into a package of its own that both depend on",
                )
        if holders:
            found[contract] = holders[0]
    return found


def _package(point: EntryPoint) -> InstalledPackage | None:
    """The package that `point` names; None if it cannot be found, as after half of an uninstallation."""
    spec = find_spec(point.value) if point.value.isidentifier() else None
    if spec is None or not spec.submodule_search_locations or point.dist is None:
        return None
    return InstalledPackage(
        package=point.value, root=Path(spec.submodule_search_locations[0]), distribution=point.dist.name, version=point.dist.version
    )
