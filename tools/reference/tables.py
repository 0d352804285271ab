"""Tables of Markdown, as the pages of the reference have them."""

import re
from collections.abc import Iterable


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table. Line breaks in a cell become spaces."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def words(items: Iterable[str]) -> str:
    """Words of code, with commas between them."""
    return ", ".join(f"`{item}`" for item in items)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()
