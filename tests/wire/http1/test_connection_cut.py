"""Responses that cannot be finished: their clients see that they are not whole."""

import pytest

from tests.wire.http1.recording import GET, Server, head, silent


def test_a_response_that_is_cut_ends_the_connection() -> None:
    server = Server(silent)
    server.connection.receive(GET)
    server.connection.cut()
    assert server.over == "a response was cut short"
    server.connection.announce_shutdown()
    assert server.over == "a response was cut short"


@pytest.mark.parametrize(("version", "sized", "over"), [(b"1.1", False, ""), (b"1.0", True, ""), (b"1.0", False, "reset: ")])
def test_a_body_that_only_the_end_of_the_connection_ends_is_cut_by_a_reset(version: bytes, sized: bool, over: str) -> None:
    server = Server(silent)
    server.connection.receive(GET.replace(b"HTTP/1.1", b"HTTP/" + version))
    server.connection.send_head(head(200), [(b"content-length", b"9")] if sized else [], end=False, sized=sized)
    server.connection.send_data(b"part", end=False)
    server.connection.cut()
    assert server.over == f"{over}a response was cut short"
