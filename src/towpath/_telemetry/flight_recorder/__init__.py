"""The flight recorder: one row for every call and attempt of this process, in a ring that other processes can read (ADR 0042)."""
