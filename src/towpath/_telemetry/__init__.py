"""The metrics of towpath: rate, errors and duration of every call, and the decisions of its layers."""

from towpath._telemetry.metrics import CallMetrics, write_exposition

__all__ = ["CallMetrics", "write_exposition"]
