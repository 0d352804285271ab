"""The last clause of every message about an unknown name: the nearest known name, or else all known names."""

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(name: str, known: Iterable[str], *, kind: str) -> str:
    """A clause such as "did you mean 'search'"; without a near match, a list of all names in `known`. `kind` is a plural for them, such as
    "methods"."""
    names = sorted(known)
    if not names:
        return f"there are no {kind}"
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}"
    return f"known {kind}: {', '.join(names)}"
