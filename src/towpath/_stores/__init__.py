"""Stores in databases: `sqlite`, `postgres` and `redis`. Each module is imported by its own name, since each needs its own driver."""
