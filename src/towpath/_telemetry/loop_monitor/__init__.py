"""The loop monitor: which code blocked the event loop, found while it does, and what else kept the loop from turning (ADR 0048)."""
