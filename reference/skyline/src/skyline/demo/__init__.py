"""The demonstration: Skyline under seeded traffic, with a report at the end that a person can check."""
