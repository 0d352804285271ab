"""What TCP does by itself about clients that are gone."""

import socket

import pytest

from towpath._transport.socket_options import TcpKeepalive, set_keepalive

TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)


@pytest.mark.skipif(TIMEOUT is None, reason="the system has no TCP_USER_TIMEOUT")
@pytest.mark.parametrize(
    ("keepalive", "unread_timeout", "milliseconds"),
    [
        (TcpKeepalive(), 240.0, 240_000),
        (TcpKeepalive(time=300, timeout=100), 240.0, 400_000),
        (TcpKeepalive(time=10, timeout=10), 240.0, 0),
        (TcpKeepalive(time=10, timeout=10), 20.0, 20_000),
        (TcpKeepalive(), None, 0),
    ],
)
def test_tcp_gives_up_who_acknowledges_nothing_but_not_who_may_pause(
    keepalive: TcpKeepalive, unread_timeout: float | None, milliseconds: int
) -> None:
    assert TIMEOUT is not None
    with socket.socket() as listener:
        set_keepalive(listener, keepalive, unread_timeout)
        assert listener.getsockopt(socket.IPPROTO_TCP, TIMEOUT) == milliseconds
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
