"""A contract's comments as documentation: the text that protoc attaches to an element, without the marks that are not for readers."""

import re
from textwrap import dedent
from typing import Final

_INTERNAL: Final = re.compile(r"\(--.*?--\)", re.DOTALL)  # https://google.aip.dev/192: not for users
_DIRECTIVE: Final = re.compile(r"^\s*buf:lint:ignore\b.*$", re.MULTILINE)


def documentation(comment: str) -> str:
    """`comment`, as protoc reads it, as paragraphs without indentation and without empty lines around. The result is empty if nothing is
    left."""
    text = _DIRECTIVE.sub("", _INTERNAL.sub("", comment))
    return dedent("\n".join(line.rstrip() for line in text.splitlines())).strip()
