"""Who a client is, at each connection anew: what an earlier one has proved counts for nothing, and a certificate has to name one caller."""

import asyncio
import gc
import json
import logging
import socket
import ssl
import weakref
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from cryptography import x509

from tests.echo_service import PATIENCE, Echo
from tests.transport.test_tls import SPIFFE, Authority, failure, reloaded, say, secured
from towpath._transport import ServerTls
from towpath._transport.tls import Rotating

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
REQUEST = (
    b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n" + b'{"id":"a"}'
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Visitor:
    """A client of HTTP/1.1 that brings along the session of its last visit, and keeps its connections open: a server forgets the session of
    one that ends rudely. `tickets` says whether it takes any."""

    def __init__(self, authority: Authority, address: str, version: ssl.TLSVersion, *, tickets: bool) -> None:
        self._port = int(address.rpartition(":")[2])
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.ca.configure_trust(self.context)
        self.context.minimum_version = self.context.maximum_version = version
        if not tickets:
            self.context.options |= ssl.OP_NO_TICKET
        self._session: ssl.SSLSession | None = None
        self._open: list[ssl.SSLSocket] = []

    async def visit(self) -> bool:
        """Call once over a new connection; whether the session was resumed. Raises OSError if the server will not have it."""
        return await asyncio.to_thread(self._visit)

    def _visit(self) -> bool:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        with closing(plain):
            connection = self.context.wrap_socket(plain, server_hostname="localhost", session=self._session)
        self._open.append(connection)
        connection.sendall(REQUEST)
        answer = connection.recv(65_536)
        if not answer:
            raise ConnectionResetError("the server has closed the connection")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"id": "a"}
        self._session = connection.session
        return bool(connection.session_reused)

    def close(self) -> None:
        for connection in self._open:
            connection.close()


def run(loop: Any, work: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())


def authenticating(authority: Authority) -> ServerTls:
    return authority.server(client_ca=authority.folder / "clients.pem")


def trust(authority: Authority, clients: trustme.CA) -> None:
    clients.cert_pem.write_to_path(authority.folder / "clients.pem")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tickets", [True, False])
def test_a_client_with_a_certificate_shakes_hands_each_time(
    authority: Authority, loop: Any, version: ssl.TLSVersion, tickets: bool
) -> None:
    async def visits() -> None:
        trust(authority, authority.ca)
        echo = Echo()
        async with secured(authenticating(authority), echo) as server:
            with closing(Visitor(authority, server.address, version, tickets=tickets)) as visitor:
                visitor.context.load_cert_chain(*authority.identify("client", SPIFFE, "search.example.org"))
                assert [await visitor.visit() for _ in range(3)] == [False, False, False]
                assert [ctx.caller for ctx in echo.contexts] == [SPIFFE] * 3

    run(loop, visits)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tickets", [True, False])
def test_a_session_outlives_neither_the_authority_nor_the_certificate(
    authority: Authority, loop: Any, version: ssl.TLSVersion, tickets: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def visits() -> None:
        trust(authority, authority.ca)
        echo = Echo()
        async with secured(replace(authenticating(authority), reload_interval=0.01), echo) as server:
            names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(SPIFFE)])
            with closing(Visitor(authority, server.address, version, tickets=tickets)) as visitor:
                visitor.context.load_cert_chain(*authority.sign("good", names))
                await visitor.visit()
                visitor.context.load_cert_chain(*authority.sign("ended", names, ends=timedelta(hours=-1)))
                with pytest.raises(OSError, match=r"(?i)expired|EOF|closed|reset|broken"):
                    await visitor.visit()
                visitor.context.load_cert_chain(*authority.sign("again", names))
                await visitor.visit()
                trust(authority, trustme.CA())
                await reloaded(caplog)
                with pytest.raises(OSError, match=r"(?i)unknown ca|EOF|closed|reset|broken"):
                    await visitor.visit()
        assert len(echo.contexts) == 2

    run(loop, visits)


@pytest.mark.parametrize("version", VERSIONS)
async def test_sessions_of_clients_without_certificates_are_resumed(authority: Authority, version: ssl.TLSVersion) -> None:
    async with secured(authority.server()) as server:
        with closing(Visitor(authority, server.address, version, tickets=True)) as visitor:
            assert [await visitor.visit() for _ in range(2)] == [False, True]


def test_what_a_connection_was_lent_goes_with_it(authority: Authority) -> None:
    trust(authority, authority.ca)
    rotating = Rotating(authenticating(authority))
    connection = rotating.context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    lent = weakref.ref(connection.context)
    assert lent() is not rotating.context
    del connection
    gc.collect()
    assert lent() is None


def der(*names: tuple[int, bytes]) -> x509.UnrecognizedExtension:
    """Alternative names by their tags, unchecked: 0x86 is a URI, 0x82 a DNS name."""
    body = b"".join(bytes((tag, len(value))) + value for tag, value in names)
    return x509.UnrecognizedExtension(x509.ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes((0x30, len(body))) + body)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (der((0x86, b"spiffe://a.org/x"), (0x86, b"spiffe://b.org/admin")), "2 URI names, 'spiffe://a.org/x', 'spiffe://b.org/admin'"),
        (der((0x86, b"spiffe://a.org/x"), (0x82, b"a.org"), (0x86, b"spiffe://a.org/x")), "2 URI names"),
        (der((0x86, b"spiffe://a.org/x\0y")), "cannot be printed"),
        (der((0x82, b"a.org\0.b.org")), "cannot be printed"),
    ],
)
async def test_a_certificate_that_names_no_one_caller_is_turned_away(
    authority: Authority, names: x509.UnrecognizedExtension, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    trust(authority, authority.ca)
    echo = Echo()
    certificate, key = authority.sign("client", names)
    async with secured(authenticating(authority), echo) as server:
        with caplog.at_level(logging.WARNING, "towpath.tls"):
            message = await failure(server.address, replace(authority.trusted, certificate=certificate, key=key))
        assert "closed" in message or "reset" in message.lower() or "lost" in message
        with closing(Visitor(authority, server.address, ssl.TLSVersion.TLSv1_3, tickets=True)) as visitor:
            visitor.context.load_cert_chain(certificate, key)
            with pytest.raises(OSError, match=r"(?i)EOF|closed|reset|broken"):
                await visitor.visit()
        assert not server.links
        good, key = authority.identify("good", SPIFFE, "search.example.org")
        await say(server.address, replace(authority.trusted, certificate=good, key=key))
    assert [ctx.caller for ctx in echo.contexts] == [SPIFFE]
    assert "a client was turned away for its certificate: " in caplog.text
    assert why in caplog.text
