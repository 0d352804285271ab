"""The admin listener of a service with several workers, without the workers."""

import socket
import urllib.request

from prometheus_client import CollectorRegistry

from tests.app.stage import PATIENCE
from towpath._app.process.admin_server import MAX_CONNECTIONS
from towpath._app.process.worker_probes import probes
from towpath._transport import Address


def fetched(address: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://{address}/readyz", timeout=PATIENCE) as response:
        return response.status, response.read().decode()


def test_clients_that_say_nothing_keep_no_probe_from_its_answer() -> None:
    with probes(Address("127.0.0.1", 0), lambda: "serving", CollectorRegistry()) as address:
        host, port = address.split(":")
        silent = [socket.create_connection((host, int(port)), PATIENCE) for _ in range(2 * MAX_CONNECTIONS)]
        for client in silent:
            client.sendall(b"GET /read")
        assert fetched(address) == (200, "serving\n")
        for client in silent[:MAX_CONNECTIONS]:
            assert client.recv(1) == b"", "its thread has ended"
        for client in silent:
            client.close()
        assert fetched(address) == (200, "serving\n")
