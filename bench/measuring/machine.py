"""The facts about the machine that go with raw figures: without them a figure means nothing."""

import os
import platform
from pathlib import Path
from typing import Any

from bench.processes.children import cores


def facts() -> dict[str, Any]:
    """Interpreter, kernel, processor, cores and how busy they were before the run."""
    server, client = cores()
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "server_core": server,
        "client_core": client,
        "load_average_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
