"""A contract's comments as documentation: the text that protoc attaches to an element, without the marks that are not for readers."""

import re
from textwrap import dedent
from typing import Final

_INTERNAL: Final = re.compile(r"\(--.*?--\)", re.DOTALL)  # https://google.aip.dev/192: not for users
_WORD: Final = len("deprecated")
_DIRECTIVE: Final = re.compile(r"^\s*buf:lint:ignore\b.*$", re.MULTILINE)


def documentation(comment: str | bytes) -> str:
    """`comment`, as protoc reads it, as paragraphs without indentation and without empty lines around. The result is empty if nothing is
    left. A comment that is not UTF-8 comes as bytes, and is read as Latin-1, which most such contracts are in."""
    if isinstance(comment, bytes):
        comment = comment.decode("latin-1")
    text = _DIRECTIVE.sub("", _INTERNAL.sub("", comment))
    return dedent("\n".join(line.rstrip() for line in text.splitlines())).strip()


def deprecation(name: str, comment: str) -> str:
    """One line that says why the deprecated `name` should not be used: the paragraph of its `comment` that begins with "Deprecated".
    Without such a paragraph the line says that the contract says so."""
    for paragraph in comment.split("\n\n"):
        line = " ".join(paragraph.split())
        if line[:_WORD].lower() == "deprecated":
            return "".join(character if character.isprintable() else " " for character in line).replace('"', "'")
    return f"{name} is deprecated, as its contract says"
