"""The end of every "unknown name" message: the nearest known name, else all of them."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str], *, kind: str) -> str:
    """A clause such as "did you mean 'search'"; without a near match, the known names; `kind` names them in the plural."""
    names = sorted(known)
    if not names:
        return f"there are no {kind}"
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}"
    return f"known {kind}: {', '.join(names)}"
