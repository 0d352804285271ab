"""How a fault in a contract is reported: one message, the place to look at, and what to do there.

The shape is the compilers' `file:line:column: message`, which editors and terminals turn into a link. Only one fault is reported at a time:
protoc lists all consequences behind the first fault, and a list of symptoms hides the cause.
"""

from dataclasses import dataclass
from typing import Final

from towpath._core.errors import SetupError

NOWHERE: Final = 0
"""The line of a place that is a whole file or directory."""


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """A place in a contract. `file` is its name on disk; line and column count from 1, and line 0 means the whole file."""

    file: str
    line: int = NOWHERE
    column: int = NOWHERE

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class ContractError(SetupError):
    """A contract that cannot become code. `place` is where to look, `also` the other place of a clash, `hint` what to do."""

    def __init__(self, message: str, *, place: Place, hint: str, also: Place | None = None) -> None:
        super().__init__(message, place, hint, also)
        self.message = message
        self.place = place
        self.hint = hint
        self.also = also

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.message}"]
        if self.also is not None:
            lines.append(f"  also: {self.also}")
        lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)
