"""A contract's comments as documentation: the text that protoc attaches to an element, without the marks that are not for readers."""

import re
from textwrap import dedent
from typing import Final

_INTERNAL: Final = re.compile(r"\(--.*?--\)", re.DOTALL)  # https://google.aip.dev/192: not for users
_DIRECTIVE: Final = re.compile(r"^\s*buf:lint:ignore\b.*$", re.MULTILINE)


def documentation(comment: str | bytes) -> str:
    """`comment`, as protoc reads it, as paragraphs without indentation and without empty lines around. The result is empty if nothing is
    left. A comment that is not UTF-8 comes as bytes, and is read as Latin-1, which most such contracts are in."""
    if isinstance(comment, bytes):
        comment = comment.decode("latin-1")
    text = _DIRECTIVE.sub("", _INTERNAL.sub("", comment))
    return dedent("\n".join(line.rstrip() for line in text.splitlines())).strip()
