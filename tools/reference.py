"""Writes docs/reference from the source: every public name with its signature and docstring, and every command with its options.

`python tools/reference.py` writes the pages, and with `--check` it only says whether they are what the source says; both need the packages
of requirements/dev.lock. A public name without a docstring is an error, since its place in the reference would be empty.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, cast

import griffe
from cyclopts import App

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = ROOT / "docs" / "reference"

AUDIENCES: Final = {
    "services.md": ("Names for services and clients", ("towpath", "towpath.transport")),
    "testing.md": ("Names for tests", ("towpath.testing", "towpath.testing.fixtures")),
    "operators.md": ("Names for operators", ("towpath.settings", "towpath.stores", "towpath.telemetry")),
    "layers-and-tools.md": (
        "Names for authors of layers and tools",
        ("towpath.layers", "towpath.wire", "towpath.codegen", "towpath.system", "towpath.generated"),
    ),
    "compat.md": (
        "Names for code that was written for other libraries",
        ("towpath.compat.grpcio",),
    ),
}
"""The pages of names: their titles and the public modules that each of them is about."""

LINE: Final = 80
"""Signatures that are longer than this many characters are written with one parameter in each line."""


class Undocumented(Exception):
    """Public names without a docstring; its text lists them."""


def pages() -> dict[Path, str]:
    """Every page by its path. Raises Undocumented."""
    library = cast("griffe.Module", griffe.load("towpath", search_paths=[ROOT / "src"]))
    missing: list[str] = []
    written = {PAGES / file: names_page(library, title, modules, missing) for file, (title, modules) in AUDIENCES.items()}
    if missing:
        raise Undocumented("\n".join(missing))
    written[PAGES / "command-line.md"] = commands_page()
    return written


# --------------------------------------------------------------------------------------------------------------- names


def names_page(library: griffe.Module, title: str, modules: Iterable[str], missing: list[str]) -> str:
    """The page of some modules. What has no docstring is added to `missing`."""
    parts = [f"# {title}\n"]
    for path in modules:
        module = library if path == library.path else cast("griffe.Module", library[path.removeprefix("towpath.")])
        parts.append(f"## {path}\n\n{text(module)}\n")
        parts += [entry(module[name], f"{path}.{name}", missing) for name in sorted(exported(module), key=str.lower)]
    return "\n".join(parts)


def exported(module: griffe.Module) -> list[str]:
    """The public names of a module: those of `__all__`, or what it defines without an underscore."""
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [name for name, member in module.members.items() if not name.startswith("_") and not member.is_alias]


def entry(found: griffe.Object | griffe.Alias, path: str, missing: list[str]) -> str:
    """The part of a page that is about one name."""
    thing = found.final_target if isinstance(found, griffe.Alias) else found
    name = path.rpartition(".")[2]
    if thing.docstring is None:
        missing.append(path)
    parts = [f"### {name}\n"]
    if isinstance(thing, griffe.Function):
        parts.append(code(definition(thing, name)))
    elif isinstance(thing, griffe.Class):
        parts.append(code(class_line(thing, name)))
    elif isinstance(thing, griffe.Attribute) and thing.annotation is not None:
        parts.append(code(f"{name}: {thing.annotation}"))
    parts.append(f"{text(thing)}\n")
    if isinstance(thing, griffe.Class):
        parts += members(thing)
    return "\n".join(parts)


def class_line(thing: griffe.Class, name: str) -> str:
    """How an object of the class is made, or which class it is a kind of."""
    made = thing.members.get("__init__")
    if isinstance(made, griffe.Function) and not is_abstract(thing):
        return signature(made, name)
    bases = ", ".join(str(base) for base in thing.bases)
    return f"class {name}({bases})" if bases else f"class {name}"


def is_abstract(thing: griffe.Class) -> bool:
    """Whether users meet objects of the class, and never make one."""
    return any(str(base).split("[")[0] in {"Protocol", "ABC"} for base in thing.bases)


def members(thing: griffe.Class) -> Iterator[str]:
    """The documented public methods and attributes of a class, in the order of its source."""
    for name, member in thing.members.items():
        if name.startswith("_") or member.is_alias or member.docstring is None:
            continue
        if isinstance(member, griffe.Function):
            yield f"**`{name}`**\n\n{code(definition(member, name))}\n{text(member)}\n"
        elif isinstance(member, griffe.Attribute):
            kind = f": {member.annotation}" if member.annotation is not None else ""
            yield f"**`{name}{kind}`**\n\n{text(member)}\n"


def definition(function: griffe.Function, name: str) -> str:
    """The head of a function, without `self`."""
    return f"{'async def' if 'async' in function.labels else 'def'} {signature(function, name)}"


def signature(function: griffe.Function, name: str) -> str:
    """The name of a function or class, and its parameters as a caller may give them."""
    given = [parameter for parameter in function.parameters if parameter.name not in {"self", "cls"}]
    written: list[str] = []
    stars = False
    for parameter in given:
        if parameter.kind is griffe.ParameterKind.keyword_only and not stars:
            written.append("*")
            stars = True
        stars = stars or parameter.kind is griffe.ParameterKind.var_positional
        written.append(parameter_text(parameter))
    returned = f" -> {function.returns}" if function.returns is not None and name[0].islower() else ""
    line = f"{name}({', '.join(written)}){returned}"
    if len(line) <= LINE:
        return line
    lines = "".join(f"    {parameter},\n" for parameter in written)
    return f"{name}(\n{lines}){returned}"


def parameter_text(parameter: griffe.Parameter) -> str:
    """A parameter with its type and default."""
    star = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(
        parameter.kind or griffe.ParameterKind.positional_or_keyword, ""
    )
    kind = f": {parameter.annotation}" if parameter.annotation is not None else ""
    default = f" = {parameter.default}" if parameter.default is not None and not star else ""
    return f"{star}{parameter.name}{kind}{default}"


def text(thing: griffe.Object) -> str:
    """A docstring as Markdown. What looks like HTML outside of code is no HTML, and the path of a page is a link to it."""
    if thing.docstring is None:
        return ""
    pieces = re.split(r"(`[^`]*`|^ {4}.*$)", inspect.cleandoc(thing.docstring.value), flags=re.MULTILINE)
    plain = "".join(piece if index % 2 else piece.replace("<", "&lt;").replace("*", r"\*") for index, piece in enumerate(pieces))
    return re.sub(r"`docs/([\w/-]+\.md)`", r"[`docs/\1`](../\1)", plain)


def code(source: str) -> str:
    """A block of Python."""
    return f"```python\n{source}\n```\n"


# ------------------------------------------------------------------------------------------------------------ commands


def commands_page() -> str:
    """The page of the command line, which is what `towpath COMMAND --help` says."""
    from towpath._cli.main import COMMANDS  # noqa: PLC0415 - after the names, so that a page of names needs no command line

    app = App(name="towpath", help="The golden path for Python services.", version_flags=[], help_flags=[])
    for name, (where, _) in COMMANDS.items():
        module, _, function = where.partition(":")
        app.command(getattr(import_module(module), function), name=name)
    generated = app.generate_docs(output_format="markdown", recursive=True, heading_level=2)
    _, _, body = generated.partition("**Commands**:\n")
    return f"# The command line\n\n{body.strip().replace('<', '&lt;')}\n"


# --------------------------------------------------------------------------------------------------------------- files


def main() -> int:
    """Write the pages or, with `--check`, compare them. The exit status is 1 where a page is not what the source says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page would change")
    check = cast("bool", parser.parse_args().check)
    try:
        written = pages()
    except Undocumented as error:
        sys.stderr.write(f"error: these public names have no docstring:\n{error}\n")
        return 1
    stale = [path for path, content in written.items() if not path.is_file() or path.read_text() != content]
    if check:
        sys.stderr.writelines(f"{path.relative_to(ROOT)} is not what the source says\n" for path in stale)
        return 1 if stale else 0
    PAGES.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(written[path])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
