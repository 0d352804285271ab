"""A server's sockets, its connections, and the calls that come in over them, in every protocol."""
