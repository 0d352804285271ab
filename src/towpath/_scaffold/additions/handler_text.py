"""An edit of a Python file: a method at the end of a class, and the names that it needs among the imports."""

import ast
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from towpath._core.errors import SetupError

_LINE: Final = 140
"""The length of a line in the template's settings of ruff."""


def with_handler(text: str, base: str, method: Sequence[str], where: str) -> str:
    """`text` with the lines of `method` at the end of the class that derives from `base`. Raises SetupError that names `where` if there is
    no such class, or if it has a method of that name."""
    tree = _parsed(text, where)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(one).rpartition(".")[2] == base for one in node.bases):
            lines = text.splitlines()
            end = node.end_lineno or len(lines)
            return "\n".join([*lines[:end], "", *(f"    {line}".rstrip() for line in method), *lines[end:]]) + "\n"
    raise SetupError(
        f"{where} has no class that derives from {base}, so there is no place for the handler; write it by hand, after make gen"
    )


def with_import(text: str, module: str, names: Iterable[str], where: str) -> str:
    """`text` with `names` imported from `module`, in the order that ruff wants."""
    tree = _parsed(text, where)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = text.splitlines()
    for node in imports:
        if isinstance(node, ast.ImportFrom) and node.module == module and all(alias.asname is None for alias in node.names):
            wanted = sorted({*(alias.name for alias in node.names), *names})
            lines[node.lineno - 1 : node.end_lineno] = _statement(module, wanted)
            return "\n".join(lines) + "\n"
    place, before, after = _place(imports, module, lines)
    lines[place:place] = [*([""] if before else []), *_statement(module, sorted(names)), *([""] if after else [])]
    return "\n".join(lines) + "\n"


def _place(imports: Sequence[ast.Import | ast.ImportFrom], module: str, lines: Sequence[str]) -> tuple[int, bool, bool]:
    """The line before which a new import stands, and whether a blank line comes before and after it. Those of the standard library are the
    first group, and the project's own the last, in the order of their modules."""
    if not imports:
        return len(lines), False, False
    if module.startswith("collections."):
        return imports[0].lineno - 1, False, True
    end = imports[-1].end_lineno or len(lines)
    own = [node for node in imports if isinstance(node, ast.ImportFrom) and _is_own(node.module or "")]
    if not own or not _is_own(module):
        return end, _is_own(module), False
    following = next((node for node in own if (node.module or "") > module), None)
    return (end if following is None else following.lineno - 1), False, False


def _is_own(module: str) -> bool:
    """Whether the project has the module: its package, or the code of a contract in it."""
    top = module.partition(".")[0]
    return top not in ("towpath", "google", "pytest") and top not in sys.stdlib_module_names


def _statement(module: str, names: Sequence[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= _LINE else [f"from {module} import (", *(f"    {name}," for name in names), ")"]


def _parsed(text: str, where: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise SetupError(f"{where} is no Python: {error.msg} in line {error.lineno}; mend it first") from error
