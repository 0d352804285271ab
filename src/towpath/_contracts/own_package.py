"""Where the modules generated from towpath's own contracts really are.

protoc derives a module's name from the contract's: `towpath/v1/options.proto` becomes `towpath.v1.options_pb2`. That would make the
messages public names of the package `towpath`, side by side with its code. So they are packaged below `towpath._gen`, and imports of them
are rewritten.
"""

import re
from typing import Final

_OWN: Final = re.compile(r"towpath\.v[0-9]\w*(?=\.|$)")
_IMPORT: Final = re.compile(r"^(from )(towpath\.v[0-9]\w*)(?=[. ])", re.MULTILINE)


def importable(module: str) -> str:
    """The name under which a generated module can be imported: its own, unless it is one of towpath's."""
    return f"towpath._gen.{module}" if _OWN.match(module) else module


def rewrite_imports(text: str) -> str:
    """A generated `_pb2.py` or `_pb2.pyi` whose imports of towpath's own modules lead to their real place."""
    return _IMPORT.sub(r"\1towpath._gen.\2", text)
