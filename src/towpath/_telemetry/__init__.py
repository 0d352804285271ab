"""The metrics of towpath: rate, errors and duration of every call, and the decisions of its layers."""

from towpath._telemetry.exposition import write_exposition
from towpath._telemetry.metrics import CallMetrics

__all__ = ["CallMetrics", "write_exposition"]
