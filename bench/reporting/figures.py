"""What is known of one peer after a run, and the one way in which several rounds become one figure: the median."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from statistics import median
from typing import Any

from bench.measuring.histogram import Histogram
from bench.measuring.load import Window
from bench.measuring.rounds import Round


@dataclass(kw_only=True)
class Figures:
    """Filled while the run goes on. `unary` is whether it makes plain unary calls, which the table compares; `failure` says why there is
    nothing more; `absent` that it is no failure, since the machine has not got this peer. `idle_bytes` are of server memory per idle
    connection, `import_seconds` of an interpreter's start; None if not measured. `transcoder` is how many times as fast as json_format it
    is at "writing" and "reading", `crowded` by how much its latency grows beside open streams.
    """

    name: str
    unary: bool = True
    rounds: list[Round] = field(default_factory=list)
    failure: str = ""
    absent: bool = False
    idle_bytes: float | None = None
    import_seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    crowded: float | None = None
    transcoder: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def measured(self) -> bool:
        """Whether every round that was tried gave figures."""
        return bool(self.rounds) and not self.failure

    @property
    def version(self) -> str:
        """What ran, as its client reported."""
        return self.rounds[0].version if self.rounds else ""

    def throughput(self, in_flight: int) -> float:
        """Calls per second: the median over rounds."""
        return self._median(in_flight, lambda window: window.throughput)

    def latency(self, in_flight: int, percent: float) -> float:
        """Nanoseconds at a percentile: the median over rounds of each round's percentile."""
        return self._median(in_flight, lambda window: window.latency.percentile(percent))

    def spread(self, in_flight: int) -> float:
        """How far rounds differ in throughput: (highest - lowest) / median. Ratios closer together than this say nothing."""
        values = [each.windows[in_flight].throughput for each in self.rounds]
        return (max(values) - min(values)) / median(values)

    def others(self) -> float | None:
        """The largest share of the cores that was not ours in any round; None if that is not known."""
        return max((each.others for each in self.rounds if each.others is not None), default=None)

    def merged(self, in_flight: int) -> Histogram:
        """The latencies of all rounds in one histogram."""
        return reduce(Histogram.merged, (each.windows[in_flight].latency for each in self.rounds))

    def to_json(self) -> dict[str, Any]:
        """Raw figures: everything measured, and the medians."""
        return {
            "name": self.name,
            "version": self.version,
            "failure": self.failure,
            "absent": self.absent,
            "notes": self.notes,
            "others_share": self.others(),
            "idle_bytes_per_connection": self.idle_bytes,
            "import_seconds": self.import_seconds,
            "transcoder": self.transcoder,
            "crowded": self.crowded,
            "medians": [self._medians(in_flight) for in_flight in self.rounds[0].windows] if self.rounds else [],
            "rounds": [[window.to_json() for window in each.windows.values()] for each in self.rounds],
        }

    def _medians(self, in_flight: int) -> dict[str, float]:
        percentiles = {f"p{percent:g}_us": self.latency(in_flight, percent) / 1e3 for percent in (50, 90, 99, 99.9)}
        return {"in_flight": in_flight, "calls_per_second": self.throughput(in_flight), "spread": self.spread(in_flight), **percentiles}

    def _median(self, in_flight: int, of: Callable[[Window], float]) -> float:
        return median(of(each.windows[in_flight]) for each in self.rounds)
