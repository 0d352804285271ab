"""A listening socket that this process was started with."""

import socket

from towpath._core.errors import SetupError


def inherited(fd: int) -> socket.socket:
    """The listening socket with the descriptor `fd`. Raises SetupError if the descriptor is no listening socket."""
    try:
        listener = socket.socket(fileno=fd)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SetupError(f"TOWPATH_LISTEN_FD: descriptor {fd} is not a socket; it is set by whoever starts the process") from error
    if not listening:
        listener.detach()
        raise SetupError(f"TOWPATH_LISTEN_FD: descriptor {fd} is not a listening socket; call listen() before passing it on")
    listener.set_inheritable(False)
    listener.setblocking(False)
    return listener
