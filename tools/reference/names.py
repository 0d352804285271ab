"""The pages of public names: each name with its signature and docstring, as griffe reads them from the source."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Final, cast

import griffe

AUDIENCES: Final = {
    "services.md": ("Names for services and clients", ("towpath", "towpath.transport")),
    "testing.md": ("Names for tests", ("towpath.testing", "towpath.testing.fakes", "towpath.testing.fixtures")),
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

PORTS: Final = frozenset({"claim", "complete", "release"})
"""The methods of `IdempotencyStore`, which explains them for each store."""

LINE: Final = 80
"""Signatures that are longer than this many characters are written with one parameter in each line."""


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
        missing += undocumented(thing, path)
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


def undocumented(thing: griffe.Class, path: str) -> list[str]:
    """The public methods and attributes of a class that neither a docstring of their own nor that of the class explains, ports aside."""
    explained = "" if thing.docstring is None else thing.docstring.value
    return [
        f"{path}.{name}"
        for name, member in thing.members.items()
        if not (name.startswith("_") or member.is_alias or name in PORTS)
        and member.docstring is None
        and (isinstance(member, griffe.Function) or f"`{name}`" not in explained)
    ]


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
