"""Where generated modules are imported from, and the imports in protoc's output made to say so.

protoc derives the name of a module from that of its contract: `types/v1/a.proto` becomes `types.v1.a_pb2`. Three things can make that name
wrong. The modules of towpath's own contracts are packaged below `towpath._gen` (`own_package`). A user's modules can be put into a package,
by an import prefix, so that their names do not meet those of other packages: with the prefix `shop.gen` the module is
`shop.gen.types.v1.a_pb2`. And the modules of an installed package of contracts are in that package (`installed_contracts`).
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

from towpath._contracts import naming, own_package
from towpath._core.errors import SetupError

_IMPORT: Final = re.compile(r"^import (?P<name>\w+)(?P<rest> as \w+)$", re.MULTILINE)
_FROM: Final = re.compile(r"^from (?P<package>[\w.]+) import (?P<name>\w+|\*)", re.MULTILINE)
_LOOKED_UP: Final = re.compile(r"(?<=importlib\.import_module\(')[\w.]+(?='\)$)", re.MULTILINE)
_BUILT: Final = re.compile(r"(?<=BuildTopDescriptorsAndMessages\(DESCRIPTOR, ')[\w.]+(?=', _globals\)$)", re.MULTILINE)
_ODD: Final = re.compile(r"^(?:from (?P<package>[\w.]+) )?import (?P<name>[0-9]\w*) as (?P<alias>\w+)$", re.MULTILINE)
_STAR: Final = re.compile(r"^from (?P<module>[\w.]+) import \*$", re.MULTILINE)


class ModuleNames:
    """The names of the modules in `generated`, which are as protoc derives them, with `prefix` in front, and of all other modules.
    `installed` has the package of each module that an installed package of contracts has. Raises SetupError for a prefix that is no name of
    a package."""

    def __init__(self, generated: Collection[str] = (), prefix: str = "", installed: Mapping[str, str] | None = None) -> None:
        if prefix and not naming.is_nameable(prefix):
            raise SetupError(
                f"--import-prefix {prefix!r} is no name of a Python package; write names with dots between them, as in shop.gen"
            )
        self._packages = {**(installed or {}), **dict.fromkeys(generated, prefix)}

    def importable(self, module: str) -> str:
        """The name under which the generated `module` can be imported."""
        package = self._packages.get(module)
        if package is None:
            return own_package.importable(module)
        return f"{package}.{module}" if package else module

    def rewrite(self, text: str) -> str:
        """A generated `_pb2.py` or `_pb2.pyi` whose imports lead to where modules are."""
        text = own_package.rewrite_imports(_STAR.sub(_looked_up, _ODD.sub(_by_text, text)))
        if not any(self._packages.values()):
            return text
        text = _FROM.sub(self._from, _IMPORT.sub(self._import, text))
        for pattern in (_LOOKED_UP, _BUILT):
            text = pattern.sub(lambda match: self.importable(match[0]), text)
        return text

    def _import(self, match: re.Match[str]) -> str:
        package = self._packages.get(match["name"])
        return f"from {package} import {match['name']}{match['rest']}" if package else match[0]

    def _from(self, match: re.Match[str]) -> str:
        within = match["package"]
        package = self._packages.get(f"{within}.{match['name']}") or self._packages.get(within)
        return f"from {package}.{within} import {match['name']}" if package else match[0]


def _by_text(match: re.Match[str]) -> str:
    """Protoc writes a statement also for a module whose name begins with a digit, which Python's grammar does not allow."""
    module = f"{match['package']}.{match['name']}" if match["package"] else match["name"]
    return f"import importlib\n{match['alias']} = importlib.import_module('{module}')"


def _looked_up(match: re.Match[str]) -> str:
    """Protoc looks a module up as a text if its name has a keyword of Python, but writes a public import of it as a statement all the
    same."""
    if naming.is_nameable(match["module"]):
        return match[0]
    alias = match["module"].replace("_", "__").replace(".", "_dot_")
    return f"globals().update({{name: one for name, one in vars({alias}).items() if not name.startswith('_')}})"
