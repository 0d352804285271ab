"""Logs: records as lines of JSON or for a terminal, each with the call that it belongs to; their writer; a line for calls (ADR 0047)."""
