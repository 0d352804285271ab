"""Stores in real databases, each imported by its own name, since each has its own driver: `sqlite`, `postgres` and `redis`."""
