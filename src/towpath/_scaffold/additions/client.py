"""`towpath add client`: the contract of another service, its generated code, and a function that makes the client."""

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Final

from towpath._contracts import naming
from towpath._core.errors import SetupError
from towpath._scaffold.additions.edits import Addition, Edits, edits_of
from towpath._scaffold.additions.handler_text import with_import
from towpath._scaffold.additions.toml_text import with_item

_PACKAGE: Final = re.compile(r"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)
_SERVICE: Final = re.compile(r"^\s*service\s+(\w+)\s*\{(?:(?!\n\}).)*?\brpc\s+(\w+)\s*\(", re.MULTILINE | re.DOTALL)
"""A service and its first method."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.ASCII)
_CONFIG: Final = PurePosixPath("towpath.toml")
_HEAD: Final = '''"""The clients of other services. Where those are, `[targets]` of towpath.toml or TOWPATH_TARGET_<NAME> says."""

from towpath import App
'''
_CALL: Final = """
# For towpath check: what the handlers call. Say here which methods those are, and in which of this service's ("from").
[[calls]]
to = "{method}"
parallel = true
"""


def add_client(folder: Path, name: str, *, contract: Path | None = None) -> Addition:
    """Let the service in `folder` call the service `name`, whose contract is at `contract`: a file, or a folder of them. Without `contract`
    it is that of the service `name` beside this one in a system, which tells the caller its address then. Raises SetupError, with nothing
    written, if there is no contract with a service, or if another file is in its place."""
    if not _NAME.fullmatch(name):
        raise SetupError(f"{name!r} is no name for a service; give the name that targets and the system file have, such as order-book")
    edits = edits_of(folder, "client")
    beside = folder.resolve().parent / name / "proto"
    if contract is None and not beside.is_dir():
        raise SetupError(f"--contract: is needed, since no service {name} lies beside this one; name its .proto file, or a folder of them")
    services = _contracts(edits, contract or beside)
    clients = PurePosixPath(f"src/{edits.record.answers.package}/clients.py")
    text = edits.text(clients) if edits.exists(clients) else _HEAD
    for service, module, method in services:
        text = _with_client(text, name, service, module, str(folder / clients), alone=len(services) == 1)
        edits.texts[_CONFIG] = with_item(edits.text(_CONFIG), "service", "contracts", module, str(folder / _CONFIG))
        edits.texts[_CONFIG] += _CALL.format(method=method)
    edits.texts[clients] = text
    edits.beside |= _told_in_system(folder, edits.record.answers.name, name)
    return edits.write(f"give the client to the handler in src/{edits.record.answers.package}/__main__.py, from {clients.name}")


def _contracts(edits: Edits, source: Path) -> list[tuple[str, str, str]]:
    """Put the contracts at `source` among the edits; returns their services, each with the module that its code will
    have, and its first method."""
    found = sorted(source.rglob("*.proto")) if source.is_dir() else [source]
    services: list[tuple[str, str, str]] = []
    for path in found:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"--contract: {path} cannot be read; name a .proto file, or a folder of them") from error
        package = _PACKAGE.search(text)
        if package is None:
            raise SetupError(f"{path} has no package, by which its place is known; give it one, such as: package shop.v1;")
        place = PurePosixPath("proto", *package[1].split("."), path.name)
        if edits.exists(place) and edits.text(place) != text:
            raise SetupError(f"{edits.folder / place} is there already, and is another one; delete it first if it is to be replaced")
        edits.texts[place] = text
        module = naming.module_name(place.relative_to("proto").as_posix(), "_towpath")
        services += [(name, module, f"{package[1]}.{name}/{rpc}") for name, rpc in _SERVICE.findall(text)]
    if not services:
        raise SetupError(f"--contract: {source} has no service, and so nothing to call; name the .proto file that has it")
    return services


def _with_client(text: str, name: str, service: str, module: str, where: str, *, alone: bool) -> str:
    function = naming.attribute_name(name.replace("-", "_") if alone else f"{name.replace('-', '_')}_{naming.snake_case(service)}")
    if re.search(rf"^def {function}\(", text, re.MULTILINE):
        raise SetupError(f"{where} has a function {function} already; take it out first if it is to be made anew")
    client = f"{naming.class_name(service)}Client"
    body = f'\n\ndef {function}(app: App) -> {client}:\n    """A client of {service} at the target `{name}`."""\n'
    return with_import(text, module, [client], where) + body + f'    return {client}(app.channel("{name}"))\n'


def _told_in_system(folder: Path, caller: str, name: str) -> dict[Path, str]:
    """The system file above `folder` with the call in it, if there is one with both services."""
    place = folder.resolve().parent / "system.toml"
    if not place.is_file():
        return {}
    try:
        text = place.read_text("utf-8")
        known = tomllib.loads(text).get("services", {})
    except (OSError, ValueError) as error:
        raise SetupError(f"{place} cannot be read: {error}; mend it first") from error
    return {place: with_item(text, f"services.{caller}", "calls", name, str(place))} if {caller, name} <= known.keys() else {}
