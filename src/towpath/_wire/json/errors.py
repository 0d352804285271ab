"""The one error of the JSON mapping: its place in the document, the expected value, and the given one."""

from typing import Any, Final

_LONGEST_SHOWN: Final = 40
_LONGEST_NAME: Final = 100


class JsonError(ValueError):
    """A document that is not the JSON of its message type. `path` is the place, as in `legs[2].departure`; empty for the document
    itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def within(self, name: str | int) -> "JsonError":
        """The same error seen from one level further out: the field or index in which it happened."""
        step = f"[{name}]" if isinstance(name, int) else name
        if len(step) > _LONGEST_NAME:  # the key of a map may be as large as the document
            step = f"{step[:_LONGEST_NAME]}..."
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{joint}{self.path}"
        return self

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def shown(value: Any) -> str:
    """A JSON value as an error quotes it: its kind if it is large, else itself."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value[: _LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def unexpected(expected: str, value: Any) -> JsonError:
    """The error for a value of the wrong kind."""
    return JsonError(f"expected {expected}, found {shown(value)}")
