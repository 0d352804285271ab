"""How a fault in a contract is reported: one message, its location in the source, and a remedy.

The shape is the compilers' `file:line:column: message`, which editors and terminals turn into a link. Only one fault is reported at a time:
protoc lists all consequences behind the first fault, and a list of symptoms hides the cause.
"""

from dataclasses import dataclass
from typing import Final

from towpath._core.errors import SetupError

NOWHERE: Final = 0
"""The line of a location that is a whole file or directory."""


@dataclass(frozen=True, kw_only=True, order=True)
class SourceLocation:
    """A location in a contract, or a whole file or directory."""

    file: str
    """The name on disk."""
    line: int = NOWHERE
    """Counted from 1; `NOWHERE` stands for the whole file."""
    column: int = NOWHERE
    """Counted from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ContractError(SetupError):
    """A contract that cannot become code."""

    def __init__(self, message: str, *, location: SourceLocation, hint: str, also: SourceLocation | None = None) -> None:
        super().__init__(message, location, hint, also)
        self.message = message
        self.location = location
        """The location of the fault."""
        self.hint = hint
        """The remedy."""
        self.also = also
        """The other location, of a clash between two."""

    def __str__(self) -> str:
        lines = [f"{self.location}: {self.message}"]
        if self.also is not None:
            lines.append(f"  also: {self.also}")
        lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)
