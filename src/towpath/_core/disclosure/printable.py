"""Text that somebody else has chosen, as an error, a log and a terminal may show it.

A control character in such text clears a screen, colours it, or begins a line that looks like another one's record. A character that turns
the direction of writing makes a text read as another one. Both are shown as escapes, as Python's `repr` writes them.
"""

import re
from typing import Final

_HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST: Final = 100


def printable(text: str) -> str:
    """`text`, with escapes in place of control characters, line breaks among them, and of characters that turn the direction of writing."""
    return text if text.isprintable() else _HARMFUL.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The lines of `text`, each printable, and each after the first one indented. So no line of it looks like the first line of another
    text. Tabs stay as they are."""
    if text.isprintable():
        return text
    lines = ("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
    return "\n  ".join(lines)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text`, or its beginning if it has more than `longest` characters."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
