"""How many files this process may have open, sockets among them: the limit of the system, and what of it connections may use.

A limit of 1,024 is what many systems give a process that asks for nothing, for the sake of programs that use select(2). The same systems
let a process raise the limit to a hard one, which is larger by far.
"""

import sys
from contextlib import suppress
from typing import Final

_RESERVE: Final = 8
"""One in so many of the process' file descriptors is not for the connections of clients."""

_LEAST_RESERVE: Final = 32


def raise_limit() -> None:
    """Raise the limit on open files (RLIMIT_NOFILE) to the hard one. Does nothing where the system has no such limit or refuses."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 # not there on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS calls a hard limit infinite, and takes less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def affordable(total: int) -> int:
    """`total` connections, or as many as the process' limit on file descriptors leaves for them: an eighth of it, and 32 at the least, is
    kept for its own connections, files and stores. One at the least."""
    if sys.platform == "win32":  # which has no such limit
        return total
    import resource  # noqa: PLC0415 # not there on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return total
    return max(1, min(total, soft - max(_LEAST_RESERVE, soft // _RESERVE)))
