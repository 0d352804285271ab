"""The names that users may rely on: whatever can be imported from towpath along a path without a leading underscore.

Read from the source text, so that no optional dependency has to be there. Run as a module, it accepts today's names as the snapshot.
"""

import ast
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tests.architecture.repository import GENERATED, ROOT, tracked

SNAPSHOT = Path(__file__).with_name("public_names.txt")

AUDIENCES = {
    "services and clients": ("towpath", "towpath.transport"),
    "code that `towpath gen` makes": ("towpath.generated",),
    "tests": ("towpath.testing", "towpath.testing.fakes", "towpath.testing.fixtures"),
    "code that was written for other libraries": ("towpath.compat.grpcio",),
    "operators: settings, stores and figures": ("towpath.settings", "towpath.stores", "towpath.telemetry"),
    "authors of layers and of tools": ("towpath.layers", "towpath.wire", "towpath.codegen", "towpath.system"),
}
"""Who each public module is for. A module that nobody is named for is none."""

MAX_NAMES = 250
"""Of which a user can keep an overview, and we the promise."""


def public_names(root: Path, paths: Iterable[str], *, sources: str = "src") -> list[str]:
    """Every public name as `package.module.name`, sorted. An `__init__.py` makes public what its `__all__` lists."""
    names: set[str] = set()
    for path in paths:
        if not path.startswith(f"{sources}/") or not path.endswith(".py") or path.endswith(GENERATED):
            continue
        module = PurePosixPath(path).relative_to(sources).with_suffix("").parts
        if module[-1] == "__init__":
            module = module[:-1]
        if any(part.startswith("_") for part in module):
            continue
        names.update(".".join((*module, name)) for name in exported(ast.parse((root / path).read_text())))
    return sorted(names)


def exported(tree: ast.Module) -> list[str]:
    """What `__all__` lists, or, without it, what the module itself defines without an underscore."""
    defined: list[str] = []
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=items) | ast.Tuple(elts=items)):
                return [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                defined.append(name)
            case ast.Assign(targets=targets):
                defined += [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                defined.append(name)
            case _:
                continue  # imports, docstrings and conditions define nothing public
    return [name for name in defined if not name.startswith("_")]


def grouped(names: Iterable[str]) -> str:
    """The snapshot's text: each name under its audience, and at the end those of modules that are for nobody."""
    left = list(names)
    parts: list[str] = []
    for audience, modules in AUDIENCES.items():
        mine = [name for name in left if name.rpartition(".")[0] in modules]
        left = [name for name in left if name not in mine]
        parts.append("\n".join([f"# For {audience}", *mine]))
    return "\n\n".join([*parts, *(["\n".join(["# For nobody", *left])] if left else [])]) + "\n"


def listed(snapshot: str) -> list[str]:
    """The names in the snapshot's text."""
    return [line for line in snapshot.splitlines() if line and not line.startswith("#")]


if __name__ == "__main__":
    today = public_names(ROOT, tracked())
    SNAPSHOT.write_text(grouped(today))
    print(f"{SNAPSHOT.relative_to(ROOT)}: {len(today)} names")
