"""The labels of metrics: none of them is text that a caller has chosen."""

import asyncio
import http.client
from contextlib import closing

import prometheus_client
import pytest

from tests.echo_service import PATIENCE, Echo
from towpath import App

EVIL = "evil-text"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (f"/{EVIL}.v1.Service/Say", {}),
        (f"/echo.v1.EchoService/{EVIL}", {}),
        (f"/{EVIL}", {}),
        ("/echo.v1.EchoService/Say", {"user-agent": EVIL, "towpath-tenant": EVIL, "x-request-id": EVIL, "host": EVIL, EVIL: EVIL}),
        ("/echo.v1.EchoService/Say", {"idempotency-key": EVIL, "towpath-criticality": EVIL, "content-encoding": EVIL}),
        ("/echo.v1.EchoService/Say", {"content-type": f"application/{EVIL}"}),
    ],
)
async def test_no_label_is_a_callers_text(path: str, fields: dict[str, str]) -> None:
    def ask(address: str) -> None:
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
            connection.request("POST", path, b"{}", {"content-type": "application/json", **fields})
            connection.getresponse().read()

    async with App() as app:
        app.add(Echo())
        await app.start()
        await asyncio.to_thread(ask, app.address)
        exposed = prometheus_client.generate_latest(app.metrics.registry).decode()
    assert "towpath" in exposed or "rpc" in exposed
    assert EVIL not in exposed
