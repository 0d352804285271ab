"""What an idle connection costs a server: the growth of its resident memory over a thousand of them.

Fifty connections are opened and closed first, so that what a server sets up once is not counted. Resident memory comes from /proc, so this
is for Linux only; it counts pages, hence a thousand connections rather than ten.
"""

import asyncio
import os
import resource
import sys
from pathlib import Path
from typing import Final

from bench.peers import Peer
from bench.places import LOGS
from bench.processes.children import PeerError, child, cores, python_environment, ready

CONNECTIONS: Final = 1000
_FIRST: Final = 50
_PROC: Final = Path("/proc/self/statm")
_FILES: Final = 2 * CONNECTIONS


async def idle_bytes(peer: Peer) -> float:
    """Bytes of the server's resident memory per idle HTTP/2 connection; raises PeerError where that cannot be measured."""
    if not _PROC.exists():
        raise PeerError("resident memory is read from /proc, which this system has not")
    allow_files()
    server_core, client_core = cores()
    log = LOGS / f"{peer.short}.idle.log"
    argv, environment = peer.server()
    async with child(argv, core=server_core, environment=environment, log=log) as server:
        address = await ready(server, log)
        await _while_held(server.pid, address, _FIRST, client_core)
        before = await _settled(server.pid)
        during = await _while_held(server.pid, address, CONNECTIONS, client_core)
    return (during - before) / CONNECTIONS


async def _while_held(pid: int, address: str, count: int, core: int | None) -> int:
    log = LOGS / "hold.log"
    argv = [sys.executable, "-m", "bench.processes.hold", address, str(count)]
    async with child(argv, core=core, environment=python_environment(""), log=log) as holder:
        await ready(holder, log)
        return await _settled(pid)


async def _settled(pid: int) -> int:
    # A server goes on for a moment after the last byte that we saw: wait until its memory keeps still, two seconds at the most.
    size = _resident(pid)
    for _ in range(20):
        await asyncio.sleep(0.1)
        size, last = _resident(pid), size
        if size == last:
            break
    return size


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        raise PeerError("the server ended while connections were opened") from None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def allow_files() -> None:
    """Let children have as many open files as the connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # children inherit it
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
