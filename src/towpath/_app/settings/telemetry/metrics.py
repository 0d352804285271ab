"""The metrics' keys of `[telemetry]`.

[telemetry]
metrics_by = ["peer", "tenant"]      # what a server's calls are told apart by, beside method and code
metrics_series = 2000                # series that each of the histograms of calls may have
"""

from dataclasses import dataclass
from typing import Final, get_args

from towpath._app.settings.option_tables import Keys, Number, options
from towpath._app.settings.telemetry.table import TelemetryTable
from towpath._core.errors import SetupError
from towpath._telemetry.metrics import By
from towpath._telemetry.series_cap import DEFAULT_CAP, MIN_CAP

METRICS: Final[Keys] = {"metrics_series": Number("series", MIN_CAP, 100_000)}
"""The keys that have a range."""

_BY: Final[tuple[By, ...]] = get_args(By)


@dataclass(frozen=True, kw_only=True)
class MetricsOptions:
    """What the metrics of calls are told apart by, and how many of them there may be."""

    by: tuple[By, ...] = ()
    """What a server's calls are told apart by, beside method and code: "peer", the caller by its certificate, and "tenant"."""
    series: int = DEFAULT_CAP
    """Series that each of the histograms of calls may have. The calls of the rest are counted under `_OTHER`."""


def read_metrics(table: TelemetryTable, where: str) -> MetricsOptions:
    """The metrics' options. Raises SetupError that names the place below `where`."""
    series = options(MetricsOptions, table, METRICS, where).series
    for name in table.metrics_by:
        if name not in _BY:
            known = " and ".join(f'"{one}"' for one in _BY)
            raise SetupError(f'{where}.metrics_by: "{name}" is nothing that calls are told apart by; known are {known}')
    return MetricsOptions(by=tuple(one for one in _BY if one in table.metrics_by), series=series)
