"""Traces: the rows of several processes put together to trees of calls, and what such a tree says of where the time went (ADR 0049)."""
