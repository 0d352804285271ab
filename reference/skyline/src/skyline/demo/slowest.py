"""Where the slowest search of an act spent its time, as `towpath trace` finds it in the rows that every service keeps of its calls."""

import asyncio
import json
import math
import sys
import time
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Slowest:
    """The slowest call of an act, and the hop and phase that took the most of it on its critical path."""

    milliseconds: float
    trace: str
    """The id of its trace."""
    hop: str
    """The service and method that took the time."""
    phase: str
    took: float
    """Milliseconds."""


class Recordings:
    """The rows of the system whose services record their calls below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def slowest(self, since: float) -> Slowest | None:
        """The slowest call since then, in seconds of `time.monotonic`; None if there is none, or if the rows cannot be read."""
        last = math.ceil(time.monotonic() - since) + 1
        files = map(str, self._folder.glob("towpath-*"))
        command = ("-m", "towpath", "trace", "--slowest", "--last", f"{last}s", "--json", "--file", *files)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
        output, _ = await process.communicate()
        return None if process.returncode else read(json.loads(output))


def read(report: dict[str, Any]) -> Slowest:
    """What `towpath trace --json` says."""
    parts = [(part["ms"], part["phase"], hop) for hop in report["hops"] for part in hop["parts"] if part["on_path"]]
    took, phase, hop = max(parts, key=itemgetter(0))
    name = f"{hop['service']} {hop['method'].rpartition('/')[2]}"
    return Slowest(milliseconds=report["ms"], trace=report["trace"], hop=name, phase=phase, took=took)
