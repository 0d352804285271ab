"""Text as the lines of a Python docstring, laid out as `ruff format` would leave it."""

import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Final

_QUOTES: Final = re.compile(r'"""|^"|"$')  # what would end the docstring early, or run into its own quotes


def docstring(text: str, indent: str = "") -> Iterator[str]:
    """The lines of `text`, which has at least a word, as a docstring: on one line if it is one, else closed on a line of its own."""
    first, *rest = [line.rstrip() for line in _escaped(text).split("\n")]
    if not rest:
        yield f'{indent}"""{first}"""'
        return
    yield f'{indent}"""{first}'
    # A common indentation of all further lines is none of the docstring's (PEP 257), and the formatter takes it away.
    for line in dedent("\n".join(rest)).split("\n"):
        yield f"{indent}{line}" if line else ""
    yield f'{indent}"""'


def _escaped(text: str) -> str:
    printable = "".join(character if character.isprintable() or character == "\n" else " " for character in text.expandtabs(4))
    return _QUOTES.sub(lambda match: match[0].replace('"', r"\""), printable.strip().replace("\\", "\\\\"))
