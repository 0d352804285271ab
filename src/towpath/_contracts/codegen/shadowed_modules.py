"""Generated modules that cannot be imported, because another package of the environment has their name: a folder `types` is never looked
into where the standard library has a module `types`, nor a folder `grpc` where grpcio is installed."""

import sys
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from towpath._contracts.own_package import importable


def shadowed_modules(files: Collection[PurePosixPath], out: Path, prefix: str) -> Iterator[str]:
    """A warning for each package among `files`, the paths below `out`, whose name belongs to the standard library or to an installed
    package that is not below `out`. With an import `prefix` the modules are in a package of the user's, whose first name is looked at."""
    packages = {".".join(file.parent.parts) for file in files if file.parent.parts} if not prefix else {prefix.partition(".")[0]}
    told: set[str] = set()
    for package in sorted(packages):
        if importable(package) != package:  # one of towpath's own
            continue
        name, owner = _taken(package, out, stdlib_only=bool(prefix))
        if owner and name not in told:
            told.add(name)
            yield (
                f"{out}: warning: {package} cannot be imported from here: `import {name}` finds {owner};"
                " put the generated code into a package of yours with --import-prefix, or rename the folder of the contracts"
            )


def _taken(package: str, out: Path, *, stdlib_only: bool) -> tuple[str, str]:
    """The first package on the way to `package` that somebody else has, and who has it; the latter is empty if nobody does."""
    parts = package.split(".")
    if parts[0] in sys.stdlib_module_names:
        return parts[0], "the module of the standard library"
    for count in range(1, len(parts) + 1) if not stdlib_only else ():
        name = ".".join(parts[:count])
        try:
            spec = find_spec(name)  # the packages above it are namespaces, so this runs no code of theirs
        except (ImportError, ValueError):  # something odd has the name; an import will say what
            break
        if spec is None:
            break
        if spec.origin is None:
            continue  # a namespace, which several folders share
        return name, "" if Path(spec.origin).resolve().is_relative_to(out.resolve()) else f"the installed {spec.origin}"
    return package, ""
