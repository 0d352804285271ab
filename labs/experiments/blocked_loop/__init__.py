"""Whether towpath's own tools name the line of code by which a service with one of four bugs stands still."""

from labs.experiments.blocked_loop.diagnosis import experiment

__all__ = ["experiment"]
"""What `make labs` runs."""
