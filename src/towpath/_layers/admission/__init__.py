"""Which calls a server begins, which wait and which it rejects."""
