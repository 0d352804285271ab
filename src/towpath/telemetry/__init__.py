"""What towpath tells about itself: rate, errors and duration of every call."""

from towpath.telemetry.metrics import CallMetrics, write_exposition

__all__ = ["CallMetrics", "write_exposition"]
