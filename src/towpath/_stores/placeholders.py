"""One style of placeholders for every database: `?`, as SQLite has it.

PostgreSQL numbers its placeholders, so each `?` becomes `$1`, `$2` and so on. A question mark within a string, a quoted name or a comment
is none. `??` stands for one question mark, which some operators of PostgreSQL have (JDBC writes them so too). A statement that numbers its
placeholders itself is left as it is.
"""

import re
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"""
      (?P<kept> [eE]'(?:[^'\\]|\\.|'')*'           # a string with escapes
              | '(?:[^']|'')*'                     # a string
              | "(?:[^"]|"")*"                     # a quoted name
              | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$
              | --[^\n]*
              | /\*.*?\*/
      )
    | (?P<literal> \?\?)
    | (?P<placeholder> \?)
    """,
    re.VERBOSE | re.DOTALL,
)


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """The statement `sql` with `$1`, `$2`, ... in the place of each `?`."""
    count = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal count
        if match["kept"] is not None:
            return match[0]
        if match["literal"] is not None:
            return "?"
        count += 1
        return f"${count}"

    return _TOKEN.sub(replaced, sql)
