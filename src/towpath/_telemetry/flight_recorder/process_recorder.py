"""The recorder of this process, which applications and channels use that are made while there is one."""

import os
from typing import Final

from towpath._telemetry.flight_recorder.recorder import Recorder


class _Process:
    recorder: Recorder | None = None
    lock: int | None = None


_process: Final = _Process()


def of_process() -> Recorder | None:
    """The recorder; None if nothing is recorded."""
    return _process.recorder


def install(recorder: Recorder | None, lock: int | None = None) -> None:
    """Make `recorder` that of the process, for applications and channels that are made from now on; None records nothing of theirs. `lock`
    is the descriptor of what says that the process lives, which is closed with the next recorder."""
    if _process.lock is not None:
        os.close(_process.lock)
    _process.recorder, _process.lock = recorder, lock


def _forked() -> None:
    """In a child process: its calls are no business of the parent's file, and it may outlive the parent."""
    if _process.recorder is not None:
        _process.recorder.writer.forked()
    if _process.lock is not None:
        os.close(_process.lock)
        _process.lock = None


os.register_at_fork(after_in_child=_forked)
