"""An edit of a `.proto` file: a method at the end of a service, and its messages at the end of the file."""

import re
from typing import Final

from towpath._core.errors import SetupError

_SKIPPED: Final = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
"""Comments and texts, in which a brace is none."""

_OPTIONS: Final = 'import "towpath/v1/options.proto";'


def with_method(text: str, service: str, rpc: str, lines: str, where: str) -> str:
    """`text` with `lines` at the end of `service`, and with the messages of `rpc`. Raises SetupError that names `where` if the service is
    not there, or if the names are taken."""
    bare = _SKIPPED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    begin = re.search(rf"\bservice\s+{re.escape(service)}\s*\{{", bare)
    if begin is None:
        raise SetupError(f"{where} has no service {service}; name another with --service")
    for name in (f"{rpc}Request", f"{rpc}Response"):
        if re.search(rf"\bmessage\s+{name}\b", bare):
            raise SetupError(f"{where} has a message {name} already; choose another name for the method")
    end = _closing(bare, begin.end())
    if re.search(rf"\brpc\s+{rpc}\b", bare[begin.end() : end]):
        raise SetupError(f"{where}: {service} has a method {rpc} already; choose another name")
    head = f"{text[:end].rstrip()}\n\n{lines}{text[end:].rstrip()}\n"
    messages = f"\nmessage {rpc}Request {{}}\n\nmessage {rpc}Response {{}}\n"
    return _with_options(head, bare) + messages


def _closing(bare: str, start: int) -> int:
    depth = 1
    for index in range(start, len(bare)):
        depth += {"{": 1, "}": -1}.get(bare[index], 0)
        if not depth:
            return index
    return len(bare)


def _with_options(text: str, bare: str) -> str:
    if _OPTIONS in text:
        return text
    package = re.search(r"^package\s+[\w.]+\s*;[^\n]*\n", bare, re.MULTILINE)
    place = 0 if package is None else package.end()
    return f"{text[:place]}\n{_OPTIONS}\n{text[place:]}"
