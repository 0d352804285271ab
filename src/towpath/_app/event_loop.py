"""The event loop that a process of towpath runs."""

import asyncio


def new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's if it is installed (`towpath[uvloop]`), else asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - an extra, and looked for only when a process really runs
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
