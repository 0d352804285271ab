"""What commands know of the terminal that they print to. Other programs get each value whole, on one line and without colour."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

BOLD: Final = "1"
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"
CYAN: Final = "36"

_PARTS: Final = re.compile(r"[^/.,:;=&?@_-]*[/.,:;=&?@_-]+|[^/.,:;=&?@_-]+")
"""The parts of a long word such as a path or an address, each with the sign behind it."""


def width() -> int | None:
    """The columns of the terminal that standard output is; None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def coloured() -> bool:
    """Whether a terminal is to have colour: unless NO_COLOR is set (https://no-color.org)."""
    return not os.environ.get("NO_COLOR")


def painted(text: str, code: str, *, colour: bool) -> str:
    """`text` in a colour, if there is to be one."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text


def wrapped(text: str, columns: int, *, indent: str = "", then: str = "") -> list[str]:
    """`text` in lines of at most `columns`; the first is indented by `indent` and the others by `then`. A path or name that is longer than
    a line stays whole, since half of it cannot be copied."""
    lines = textwrap.wrap(text, columns, initial_indent=indent, subsequent_indent=then, break_long_words=False, break_on_hyphens=False)
    return lines or [indent]


def cells(row: Sequence[str], widths: Sequence[int]) -> Iterator[list[str]]:
    """The lines of one row of a table, with a text for each column. Each cell is wrapped to its width. A longer word is broken, behind a
    sign such as a slash or a dot if one of its parts is not too long itself."""
    columns = [_in_cell(text, max(width, 1)) for text, width in zip(row, widths, strict=True)]
    for line in zip_longest(*columns, fillvalue=""):
        yield [f"{text:<{width}}" for text, width in zip(line, widths, strict=True)]


def _in_cell(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`."""
    lines = [""]
    for word in text.split():
        parts = [word] if len(word) <= width else _PARTS.findall(word)
        gap = " "
        for part in parts:
            if lines[-1] and len(lines[-1]) + len(gap) + len(part) <= width:
                lines[-1] += gap + part
            else:
                whole = [part[start : start + width] for start in range(0, len(part), width)]
                lines[-1:] = whole if not lines[-1] else [lines[-1], *whole]
            gap = ""
    return lines
