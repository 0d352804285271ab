"""Tracebacks without the frames of towpath: a person who looks for what went wrong has nothing to look for in them.

A call passes half a dozen layers, each of which is a frame of every error. Their order is what `towpath explain` prints.
"""

from types import TracebackType


def _is_ours(entry: TracebackType) -> bool:
    return entry.tb_frame.f_globals.get("__name__", "").startswith("towpath.")


def without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback of an RpcError, without the frames of towpath."""
    return _rebuilt([entry for entry in _entries(traceback) if not _is_ours(entry)])


def without_layers(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback of a bug, without the frames of towpath between those of others. Those in which it was raised stay: the bug may be in
    towpath, or in what it was given."""
    entries = _entries(traceback)
    raised_in = len(entries)
    while raised_in and _is_ours(entries[raised_in - 1]):
        raised_in -= 1
    return _rebuilt([entry for number, entry in enumerate(entries) if number >= raised_in or not _is_ours(entry)])


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    entries: list[TracebackType] = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    return entries


def _rebuilt(entries: list[TracebackType]) -> TracebackType | None:
    following: TracebackType | None = None
    for entry in reversed(entries):
        following = TracebackType(following, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return following
