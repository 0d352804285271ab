"""The admin contract, by version."""
