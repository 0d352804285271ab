"""What a process of towpath does to the event loop that it runs."""

from asyncio.sslproto import SSLProtocol

import pytest

from towpath._app.event_loop import TLS_BUFFER, bound_tls_buffers


@pytest.mark.parametrize(("before", "after"), [(256 * 1024, TLS_BUFFER), (1024, 1024)])
def test_asyncios_tls_keeps_a_small_buffer_for_each_connection(before: int, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SSLProtocol, "max_size", before)
    bound_tls_buffers()
    assert SSLProtocol.max_size == after
