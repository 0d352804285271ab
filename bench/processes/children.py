"""Child processes: started on a core, heard, and ended by their id, whatever happens to the run.

Each child has its own session, so that Ctrl-C reaches only the parent, which then ends its children in order. Its standard error goes to a
file, whose last line is the reason when it fails. Nothing here waits without a limit.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, cast

from bench.places import BUILD, ROOT

_GRACE: Final = 3.0
_READY: Final = 20.0
_USABLE: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class PeerError(Exception):
    """A peer could not be prepared or measured; the message is the reason, in one line, for the table."""


def cores() -> tuple[int | None, int | None]:
    """The server's and the client's core, or None twice where there are not two cores to pin to."""
    return (_USABLE[0], _USABLE[1]) if len(_USABLE) >= 2 else (None, None)


def python_environment(stubs: str) -> dict[str, str]:
    """The environment of a Python child: it imports the stubs of one generator, bench, and towpath from this tree."""
    path = [str(BUILD / stubs), str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


@asynccontextmanager
async def child(
    argv: Sequence[str], *, core: int | None, environment: dict[str, str], log: Path, limit: int = 1 << 16
) -> AsyncIterator[Process]:
    """Run `argv` on `core` inside the block; a line that it prints is at most `limit` bytes long. Leaving it closes the child's standard
    input, waits, and kills what is still there."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        try:
            with pinned(core):
                process = await asyncio.create_subprocess_exec(
                    *argv, stdin=PIPE, stdout=PIPE, stderr=errors, cwd=ROOT, env=environment, start_new_session=True, limit=limit
                )
        except OSError as error:
            raise PeerError(f"{argv[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        await _end(process)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this thread, and what it starts, on `core` for the time of the block; None changes nothing."""
    # A child inherits the affinity of the thread that starts it, so all its threads and every runtime that counts its cores see one core
    # from the first instruction on; setting it afterwards would be too late, and code between fork and exec is not safe beside threads.
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _end(process: Process) -> None:
    if process.returncode is None and process.stdin is not None:
        process.stdin.close()
        try:
            async with asyncio.timeout(_GRACE):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


async def ready(process: Process, log: Path) -> str:
    """What a child announces after `ready`; raises PeerError if it ends, says something else or stays silent for 20 s."""
    try:
        async with asyncio.timeout(_READY):
            line = await _stdout(process).readline()
    except TimeoutError:
        raise PeerError(f"not ready within {_READY:.0f} s; last in its log: {reason(log, 'nothing')}") from None
    if not line.startswith(b"ready"):
        raise PeerError(reason(log, f"said {line!r} instead of ready" if line else "ended before it was ready"))
    return line.decode().removeprefix("ready").strip()


async def output(process: Process, log: Path, limit: float) -> bytes:
    """All that a child prints, once it ended well; raises PeerError if it ends badly or not within `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            text = await _stdout(process).read()
            status = await process.wait()
    except TimeoutError:
        raise PeerError(f"no result within {limit:.0f} s; last in its log: {reason(log, 'nothing')}") from None
    if status:
        raise PeerError(reason(log, f"exit status {status}"))
    return text


async def completed(argv: Sequence[str], *, environment: dict[str, str], log: Path, limit: float, core: int | None = None) -> bytes:
    """Run `argv` to its end and return what it printed; raises PeerError as `output` does."""
    async with child(argv, core=core, environment=environment, log=log) as process:
        return await output(process, log, limit)


def _stdout(process: Process) -> asyncio.StreamReader:
    return cast("asyncio.StreamReader", process.stdout)  # `child` pipes it


def reason(log: Path, otherwise: str) -> str:
    """The last line that a failed child wrote to its log, which for Python is the exception; `otherwise` if it wrote none."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), otherwise)
