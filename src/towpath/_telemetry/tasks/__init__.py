"""The tasks of an event loop, seen from inside: who waits for whom, for which lock, and who has it (ADR 0048)."""
