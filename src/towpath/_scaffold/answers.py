"""What a person says of a new service, checked, and the words that a template puts in its place."""

import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, cast

from towpath._core.errors import SetupError

DEFAULT_PORT: Final = 8080
"""The port at which a new service listens."""

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""The Python versions that a new service may need at least."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.ASCII)
_MAX_NAME: Final = 30
_MAX_DESCRIPTION: Final = 90
_TAKEN: Final = frozenset({"google", "grpc", "grpc_tools", "pytest", "test", "tests", "towpath"})
"""Packages that a service's own would hide."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The answers of a person. `checked` makes them."""

    name: str
    """The service's name: lower-case words, with '-' or '_' between them."""
    description: str = ""
    """One sentence about the service."""
    port: int = DEFAULT_PORT
    """Where the service listens; the services of a system count up from it."""
    python: str = PYTHONS[0]
    """The oldest Python that the service runs on."""

    @property
    def package(self) -> str:
        """The Python package, which is the contract's package too."""
        return self.name.replace("-", "_")

    @property
    def service(self) -> str:
        """The class with the handlers. The contract's service has this name with `Service` behind it."""
        return "".join(word[0].upper() + word[1:] for word in self.package.removesuffix("_service").split("_"))

    def words(self) -> dict[str, str]:
        """What a template may name between `@@`, with its text."""
        return {
            "name": self.name,
            "package": self.package,
            "PACKAGE": self.package.upper(),
            "Service": self.service,
            "description": self.description,
            "port": str(self.port),
            "python": self.python,
            "python_digits": self.python.replace(".", ""),
        }

    def record(self) -> dict[str, object]:
        """The answers, for a file."""
        return asdict(self)


def checked(name: str, *, description: str = "", port: int = DEFAULT_PORT, python: str = PYTHONS[0]) -> Answers:
    """The answers, if a service can be made of them. Raises SetupError that names the answer and says what would do."""
    _check_name(name)
    description = description.strip() or f"The service {name}."
    if len(description) > _MAX_DESCRIPTION or not description.isprintable() or any(mark in description for mark in ('"', "\\", "@@")):
        raise SetupError(f'--description: give one line of at most {_MAX_DESCRIPTION} characters, without ", \\ and @@')
    if not 1 <= port <= 65535:
        raise SetupError(f"--port: is {port}; give 1 to 65535")
    if python not in PYTHONS:
        raise SetupError(f"--python: is {python!r}; give one of {', '.join(PYTHONS)}")
    return Answers(name=name, description=description, port=port, python=python)


def from_record(record: object, where: str) -> Answers:
    """The answers in a file that `Answers.record` filled. Raises SetupError that names the file if somebody changed them to others."""
    if not isinstance(record, Mapping):
        raise SetupError(f"{where}: answers: is no table; take the file from the repository's history")
    found = cast("Mapping[str, object]", record)
    name, description, port, python = (found.get(key) for key in ("name", "description", "port", "python"))
    if not (isinstance(name, str) and isinstance(description, str) and isinstance(port, int) and isinstance(python, str)):
        raise SetupError(f"{where}: answers: lacks name, description, port or python; take the file from the repository's history")
    try:
        return checked(name, description=description, port=port, python=python)
    except SetupError as error:
        raise SetupError(f"{where}: answers: {error}") from None


def _check_name(name: str) -> None:
    package = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise SetupError(
            f"{name!r} is no name for a service; give lower-case words with '-' between them, such as order-book, "
            f"of at most {_MAX_NAME} characters"
        )
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in _TAKEN:
        raise SetupError(
            f"{name!r} is no name for a service, since Python has a module or word {package}; give another, such as {name}-api"
        )
