"""How much faster than json_format the transcoder is, measured by `bench.measuring.transcode` in a process of its own."""

import json
import sys

from bench.peers import Peer
from bench.places import LOGS
from bench.processes.children import completed, cores, python_environment


async def transcoder(peer: Peer) -> dict[str, float]:
    """Ratios for "writing" and "reading", with the stubs of `peer`; raises PeerError."""
    argv = [sys.executable, "-m", "bench.measuring.transcode"]
    report = await completed(argv, environment=python_environment(peer.stubs), log=LOGS / "transcode.log", limit=60, core=cores()[0])
    found: dict[str, float] = json.loads(report)
    return found
