"""Keys of the terminal, one by one, while an event loop turns."""

import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

_OTHER_KEY: Final = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O.)")
"""What an arrow and other keys without a character send."""


class Keyboard:
    """The keys that were pressed and not taken yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._keys: asyncio.Queue[str] = asyncio.Queue()

    def read(self, descriptor: int) -> None:
        """Take what there is at `descriptor`. An end of the input is a `q`: nobody is left who could press a key."""
        text = os.read(descriptor, 64).decode(errors="ignore")
        for key in _OTHER_KEY.sub("", text) if text else "q":
            self._keys.put_nowait(key)

    async def pressed(self, until: float) -> str | None:
        """The next key; None if none is pressed until then, in seconds of the loop's clock."""
        try:
            async with asyncio.timeout_at(until):
                return await self._keys.get()
        except TimeoutError:
            return None


@contextmanager
def keyboard() -> Generator[Keyboard]:
    """Read keys from standard input without waiting for a line, and without showing them, until the block ends. The terminal is as it was
    then. Without a terminal there are no keys."""
    loop = asyncio.get_running_loop()
    keys = Keyboard(loop)
    if not sys.stdin.isatty():
        yield keys
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, keys.read, descriptor)
    try:
        yield keys
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
