"""Idle connections, held by a process of their own: `python -m bench.processes.hold ADDRESS COUNT [STREAMS]`.

Each completes HTTP/2's opening (preface, SETTINGS both ways, both acknowledged), begins so many calls that never end, and then says
nothing. Plain sockets, so that no client
library's memory or habits come into it. Prints `ready COUNT` and keeps them until its standard input closes.
"""

import socket
import struct
import sys

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS_TYPE = 4
_ACK = 1
_SETTINGS = struct.pack(">BHBBI", 0, 0, _SETTINGS_TYPE, 0, 0)
_SETTINGS_ACK = struct.pack(">BHBBI", 0, 0, _SETTINGS_TYPE, _ACK, 0)
_TIMEOUT = 5.0

_HEADERS_TYPE = 1
_END_HEADERS = 4
_REQUEST = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/echo.v1.StreamService/Converse"),
    (b":authority", b"crowd"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
)


def opened(host: str, port: int) -> socket.socket:
    """A connection past its opening; raises OSError when the server does not complete it within 5 s."""
    sock = socket.create_connection((host, port), timeout=_TIMEOUT)
    sock.sendall(_PREFACE + _SETTINGS)
    greeted = acknowledged = False
    while not (greeted and acknowledged):
        header = _exactly(sock, 9)
        _exactly(sock, int.from_bytes(header[:3], "big"))
        kind, flags = header[3], header[4]
        if kind == _SETTINGS_TYPE and flags & _ACK:
            acknowledged = True
        elif kind == _SETTINGS_TYPE:
            greeted = True
            sock.sendall(_SETTINGS_ACK)
    return sock


def begin(sock: socket.socket, streams: int) -> None:
    """Begin calls that stream both ways, and send nothing on them."""
    # Literals that are not indexed (RFC 7541, section 6.2.2), each length in one byte.
    block = b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in _REQUEST)
    for stream in range(1, 2 * streams, 2):
        header = struct.pack(">BHBBI", 0, len(block), _HEADERS_TYPE, _END_HEADERS, stream)
        sock.sendall(header + block)


def _exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise ConnectionResetError("the server closed a connection that was opening")
        data += chunk
    return data


def main() -> None:
    """Open, hold, and let go when told."""
    host, _, port = sys.argv[1].rpartition(":")
    count = int(sys.argv[2])
    streams = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    held = [opened(host, int(port)) for _ in range(count)]
    for sock in held:
        begin(sock, streams)
    print(f"ready {len(held)}", flush=True)
    sys.stdin.buffer.read()
    for sock in held:
        sock.close()


if __name__ == "__main__":
    main()
