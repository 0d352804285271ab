"""The flights service: which flights left, when, and how late."""
