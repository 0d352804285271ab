"""A listening socket on a free port, for servers that cannot say which port they got."""

import socket


def listening_socket() -> socket.socket:
    """Bound to 127.0.0.1 on a port of the system's choice, listening, so that a client may connect before the server accepts."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sock.settimeout(0)
    return sock


def address_of(sock: socket.socket) -> str:
    """`host:port` of a bound socket."""
    host, port = sock.getsockname()[:2]
    return f"{host}:{port}"
