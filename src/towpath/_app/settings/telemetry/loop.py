"""The keys of `[telemetry]` about the event loop and its tasks.

[telemetry]
loop_monitor = true                  # whether it is reported what keeps the event loop from turning
loop_block_limit = "0.05s"           # from which time on
leaked_task_after = "60s"            # when a task is reported that outlives its call, or "off"
debug_documents = "loopback"         # when the admin listener shows tasks, stacks and blocks: or "on" (at any address), "off"
"""

from dataclasses import dataclass
from typing import Final, Literal

from towpath._app.settings.option_tables import Keys, Seconds, options
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._core.errors import SetupError
from towpath._telemetry.loop_monitor.monitor import DEFAULT_LIMIT

DebugDocuments = Literal["loopback", "on", "off"]
"""When the admin listener has documents about tasks, stacks and blocks."""

LOOP: Final[Keys] = {
    "loop_block_limit": Seconds("block_limit", 0.03, 60.0),
    "leaked_task_after": Seconds("leaked_task_after", 1.0, 86_400.0, can_be_off=True),
}
"""The keys that have a range."""


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """What is watched of the event loop and its tasks."""

    monitor: bool = True
    """Whether it is reported what keeps the event loop from turning."""
    block_limit: float = DEFAULT_LIMIT
    """Seconds from which it is."""
    leaked_task_after: float | None = 60.0
    """Seconds after which a task is reported that outlives its call. The file also takes "off"."""
    debug_documents: DebugDocuments = "loopback"
    """When the admin listener shows tasks, stacks and blocks: if its address is one of this machine alone, always, or never."""


def read_loop(table: TelemetryTable, where: str) -> LoopOptions:
    """The options. Raises SetupError that names the place below `where`."""
    given = options(LoopOptions, table, LOOP, where)
    documents = table.debug_documents or "loopback"
    if documents not in ("loopback", "on", "off"):
        raise SetupError(f'{where}.debug_documents: {documents!r} is not known; give "loopback", "on" or "off"')
    return LoopOptions(
        monitor=table.loop_monitor is not False,
        block_limit=given.block_limit,
        leaked_task_after=given.leaked_task_after,
        debug_documents=documents,
    )
