"""The code blocks of the documents, and what the tests take out of them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

RUN = frozenset({"python", "toml", "proto", "console", "bash", "sh", "json", "yaml", "dockerfile"})
"""The languages of blocks that a reader copies. `text` and blocks without a language are what a program prints."""

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n)?^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """One block of code."""

    page: str
    """The path of its document, from the root of the repository."""
    line: int
    """The line of its first fence."""
    kind: str
    """Its language, which may be empty."""
    body: str
    """Its text."""
    why: str
    """Why no test runs it, as the comment before it says: `<!-- not run: REASON -->`; empty for a block that a test runs."""

    @property
    def parts(self) -> list[str]:
        """What a test has to take from it: the commands of a console, else all of it but a first line that names a file."""
        if self.kind == "console":
            return re.findall(r"^\$ (.+?)(?:\s+#\s.*)?$", self.body, re.MULTILINE)
        return [re.sub(r"\A(?:#|//) \S+(?:, [^\n]+)?\n", "", self.body).strip()]


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of a document, in order."""
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["kind"], found["body"], found["why"] or "")
        for found in _FENCE.finditer(text)
    ]


def taken(module: ModuleType) -> Iterator[str]:
    """The texts that a module of tests holds, whole documents aside."""
    for name, value in vars(module).items():
        if not name.startswith("__"):
            yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if "\n```" not in value:
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _texts(inner)
