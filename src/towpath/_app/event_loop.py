"""The event loop that a process of towpath runs."""

import asyncio
from asyncio.sslproto import SSLProtocol
from typing import Final

TLS_BUFFER: Final = 64 * 1024
"""Bytes that asyncio's TLS reads at once. Four records of TLS fit into them."""


def bound_tls_buffers() -> None:
    """Have asyncio's TLS keep a buffer of `TLS_BUFFER` bytes for each connection, and not 256 KiB: an idle connection takes 92 KiB then
    instead of 284 (measured). It holds for the whole process, so a process of `towpath.run` does it, and no other. Uvloop has TLS of its
    own."""
    SSLProtocol.max_size = min(SSLProtocol.max_size, TLS_BUFFER)


def new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's if it is installed (`towpath[speed]`), else asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 - an extra, and looked for only when a process really runs
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
