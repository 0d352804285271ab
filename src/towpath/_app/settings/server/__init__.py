"""Tables of `[service]` that say what its server allows: to pages of other origins, and to the calls of single methods."""
