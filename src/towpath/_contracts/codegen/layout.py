"""The layout that generated modules share: the width of their lines, their indentation, and how their imports are written."""

from collections.abc import Iterator, Sequence
from typing import Final

from towpath._contracts.codegen.namespace import Imports

WIDTH: Final = 88
"""The longest line that is not exploded."""

LEVEL: Final = " " * 4
"""One level of indentation."""


def imports(names: Imports) -> Iterator[str]:
    """The imports of a module whose text has `names`."""
    for block in names.import_blocks():
        if block:
            yield ""
        for module, imported in block:
            yield from _import(module, imported)
    for name, module in names.looked_up():
        yield ""
        yield f'{name}: {names["Any"]} = {names["import_module"]}("{module}")'


def _import(module: str, names: Sequence[str]) -> Iterator[str]:
    if not module:  # a contract outside any package is a module at the top
        for name in names:
            yield f"import {name}"
        return
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"from {module} import ("
    yield from (f"{LEVEL}{name}," for name in names)
    yield ")"
