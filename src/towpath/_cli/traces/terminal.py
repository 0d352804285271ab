"""What standard output can show of a trace."""

import sys

from towpath._cli import screen
from towpath._cli.traces.waterfall import WIDE, Style


def style() -> Style:
    """The columns of a terminal, or `WIDE`; colour on a terminal that wants it; blocks if the encoding has them."""
    columns = screen.width()
    try:
        "▏▓".encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        blocks = False
    else:
        blocks = True
    return Style(columns=max(20, columns or WIDE), colour=columns is not None and screen.coloured(), blocks=blocks)
