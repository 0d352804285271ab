"""The loop monitor of a process, from its settings."""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import CollectorRegistry

from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._core.errors import SetupError
from towpath._telemetry.flight_recorder.ring_files import BLOCKS
from towpath._telemetry.loop_monitor.block_report import BlockReport
from towpath._telemetry.loop_monitor.monitor import LoopMonitor
from towpath._telemetry.runtime_folder import runtime_folder
from towpath._telemetry.tasks.leaked_tasks import LeakedTasks


@contextmanager
def watched_loop(config: TelemetryConfig, registry: CollectorRegistry) -> Generator[BlockReport]:
    """Watch the running loop for the time of the context, if `config` wants it, and yield who is told of blocks. The blocks are also in a
    file, which can be read while the loop stands, and is removed at the end."""
    report = BlockReport(registry, file=block_file(config.recorder.directory, os.getpid()) if config.loop.monitor else None)
    if not config.loop.monitor:
        yield report
        return
    after = config.loop.leaked_task_after
    leaked = None if after is None else LeakedTasks(asyncio.get_running_loop(), after, registry)
    monitor = LoopMonitor(report, limit=config.loop.block_limit, beside=None if leaked is None else leaked.look_when_due)
    monitor.start()
    try:
        yield report
    finally:
        monitor.close()
        report.close()


def block_file(directory: Path | None, process: int) -> Path | None:
    """The file with the blocks of `process`, in a folder of the user's own; None if there is no such folder and none can be made."""
    with suppress(SetupError):
        return runtime_folder(directory) / f"{process}{BLOCKS}"
    return None
