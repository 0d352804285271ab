"""How the names of a contract become names of Python.

An RPC's name turns to snake_case word by word: acronyms stay one word (`GetURL` is `get_url`, `ListIDs` is `list_ids`, `HTTPStatus` is
`http_status`) and digits stay with the word before them (`Sha256Sum` is `sha256_sum`). A name that Python or the base class already uses
gets a trailing underscore, as in PEP 8. Different names may still meet (`GetURL`, `GetUrl`); the caller refuses them.
"""

import keyword
import re
from typing import Final

from towpath._core.service import Service

_WORD: Final = re.compile(
    r"""
      [A-Z]{2,}s(?![a-z0-9])               # a plural acronym: IDs, URLs
    | [A-Z]+(?:[0-9]+[a-z]*)+              # an acronym or letter with digits: V2, EC2, V1beta1
    | [A-Z]+(?![a-z])                      # an acronym or letter, up to the next word: HTTP in HTTPStatus
    | [A-Z]?[a-z]+(?:[0-9]+[a-z]*)*        # a word: Say, Sha256
    | (?:[0-9]+[a-z]*)+                    # what starts with a digit, after an underscore
    """,
    re.VERBOSE,
)
_TAKEN: Final = frozenset(name for name in {*dir(Service), *Service.__annotations__} if not name.startswith("_"))


def snake_case(name: str) -> str:
    """The words of `name` in lower case, joined by underscores. Underscores at its ends go, since they mean something in Python."""
    return "_".join(word.lower() for word in _WORD.findall(name))


def attribute_name(rpc: str) -> str:
    """The Python method that stands for the RPC `rpc`."""
    name = snake_case(rpc)
    if not name or name[0].isdigit():
        name = f"rpc_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in _TAKEN else name


def class_name(service: str) -> str:
    """The Python class that stands for the service `service`."""
    return f"{service}_" if keyword.iskeyword(service) else service


def is_nameable(dotted: str) -> bool:
    """Whether Python's grammar allows `dotted`, a module or a class within one, in an import or an expression."""
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in dotted.split("."))


def constant_name(rpc: str, service: str = "") -> str:
    """The module constant of an RPC's MethodSpec, with its service's name in front if that is given."""
    name = snake_case(f"{service}_{rpc}" if service else rpc).upper()
    return f"RPC_{name}" if not name or name[0].isdigit() else name


def module_name(proto: str, suffix: str) -> str:
    """The dotted module generated from the contract `proto`, as protoc names it: `a-b/c.proto` and `_pb2` give `a_b.c_pb2`."""
    return proto.removesuffix(".proto").replace("-", "_").replace("/", ".") + suffix
