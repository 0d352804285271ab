"""Wire formats: bytes in, events out; no sockets, no event loop, no clock."""
