"""What towpath tells about itself: rate, errors and duration of every call."""

from towpath._telemetry.metrics import CallMetrics, write_exposition

__all__ = ["CallMetrics", "write_exposition"]

__path__: list[str] = []  # modules of before, which `towpath._moved` finds, were below it
