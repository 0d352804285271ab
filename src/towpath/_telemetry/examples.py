"""Examples of a histogram's buckets: traces that a flight recorder keeps, and no others.

An example that names a trace which nobody has is worse than none. So an example is never taken from a call as it is observed. At each
scrape the kept rows are looked through, and the latest one of each method, code and bucket becomes the example of that bucket. No call pays
for it, and what a scrape names was kept a moment before.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from towpath._core import clock
from towpath._core.errors import Code
from towpath._telemetry.flight_recorder.row import NOT_REACHED, Kind, Row
from towpath._telemetry.histogram import FINE, KeptTrace
from towpath._telemetry.metric_names import CALL_LABELS
from towpath._telemetry.metrics import CallMetrics

_METHOD: Final = CALL_LABELS.index("rpc_method")
_CODE: Final = CALL_LABELS.index("rpc_status_code")
_TENANT: Final = CALL_LABELS.index("tenant")

_ROWS: Final = 100
"""Rows that are looked through in one turn of the loop."""

_CODES: Final = {0: "OK", **{code.value: code.name for code in Code}}

Side = Literal["server", "client"]
Key = tuple[Side, str, str, str]
"""A side, a method, a code's name, and a tenant; an empty one for all tenants."""


class KeptExamples:
    """The examples of one process. `rows` gives the rows that are kept, the latest one last, and `name` the name that a row refers to."""

    def __init__(self, rows: Callable[[], Iterable[Row]], name: Callable[[int], str]) -> None:
        self._rows = rows
        self._name = name
        self._found: dict[Key, dict[int, KeptTrace]] = {}

    def add_to(self, metrics: CallMetrics) -> None:
        """Give the histograms of `metrics` these examples, from the next scrape on."""
        metrics.before_scrape.append(self.prepare)
        server, client = metrics.histograms
        server.kept_trace = lambda labels, above, until: self.kept_trace("server", labels, above, until)
        client.kept_trace = lambda labels, above, until: self.kept_trace("client", labels, above, until)

    async def prepare(self) -> None:
        """Look through the kept rows. The loop has a turn after every hundred of them."""
        found: dict[Key, dict[int, KeptTrace]] = {}
        since_monotonic = time.time() - clock.now()
        for number, row in enumerate(self._rows(), 1):
            self._add(found, row, since_monotonic)
            if number % _ROWS == 0:
                await asyncio.sleep(0)
        self._found = found

    def kept_trace(self, side: Side, labels: Sequence[str], above: float, until: float) -> KeptTrace | None:
        """The kept trace of a call with these labels that took more than `above` and at most `until` seconds."""
        buckets = self._found.get((side, labels[_METHOD], labels[_CODE], labels[_TENANT]))
        if buckets is None:
            return None
        within = (buckets.get(index) for index in range(bisect_right(FINE, above), bisect_left(FINE, until) + 1))
        traces = [trace for trace in within if trace is not None and above < trace.seconds <= until]
        return max(traces, key=lambda trace: trace.time, default=None)

    def _add(self, found: dict[Key, dict[int, KeptTrace]], row: Row, since_monotonic: float) -> None:
        marks = [mark for mark in row.marks if mark != NOT_REACHED]
        code = _CODES.get(row.code)
        if not marks or code is None or not row.trace_id:  # a caller may send what is no trace
            return
        seconds = max(marks) / 1e6
        kept = KeptTrace(row.trace_id, seconds, round(row.base + seconds + since_monotonic, 3))
        side: Side = "server" if row.kind == Kind.SERVER else "client"
        for tenant in {"", self._name(row.tenant)}:
            found.setdefault((side, self._name(row.method), code, tenant), {})[bisect_left(FINE, seconds)] = kept
