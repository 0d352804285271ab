"""Connections that end with what they were trusted for, handshakes whose failure is told to both sides, and files that are read again."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
import uvloop
from cryptography import x509
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, turn_until
from tests.transport.test_tls import SPIFFE, Authority, failure, reloaded, say, secured
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel, ChannelOptions, ClientTls, ServerTls, peer_certificate
from towpath._transport.peer_certificate import lifetime, margin, vouched_for_by
from towpath._transport.server.connections import connection as server_connection
from towpath._transport.server.connections import tls_handshake
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import PREFACE

PATIENT = CallOptions(timeout=PATIENCE)
NAMES = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(SPIFFE)])
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def run(loop: Any, work: Callable[[], Any]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())


def mutual(authority: Authority, **options: Any) -> ServerTls:
    authority.ca.cert_pem.write_to_path(authority.folder / "clients.pem")
    return authority.server("localhost", "127.0.0.1", client_ca=authority.folder / "clients.pem", **options)


def identified(authority: Authority, pair: tuple[Path, Path]) -> ClientTls:
    return replace(authority.trusted, certificate=pair[0], key=pair[1])


def at(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname="localhost")


def visitor(authority: Authority, version: ssl.TLSVersion, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.ca.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


# Refused handshakes.


@LOOPS
def test_why_a_certificate_is_refused_is_said_on_both_sides(authority: Authority, loop: Any, caplog: pytest.LogCaptureFixture) -> None:
    (authority.folder / "other").mkdir()
    stranger = Authority(authority.folder / "other").issue("stranger", "x")
    ended = authority.sign("ended", NAMES, ends=timedelta(hours=-1))

    async def work() -> None:
        async with secured(mutual(authority)) as server:
            for tls, told, logged in (
                (authority.trusted, "it demands a certificate: give tls.certificate and tls.key", "it showed no certificate, and has to"),
                (
                    identified(authority, stranger),
                    "it refused the TLS handshake: unknown ca",
                    "its certificate is not accepted: unable to get",
                ),
                (identified(authority, ended), "it refused the TLS handshake: certificate expired", "certificate has expired"),
            ):
                caplog.clear()
                assert told in await failure(server.address, tls)
                assert "the TLS handshake with the client at 127.0.0.1:" in caplog.text
                assert logged in caplog.text
            caplog.clear()
            assert "its certificate is not accepted" in await failure(server.address, ClientTls())
            await turn_until(lambda: "failed: it refused the TLS handshake: unknown ca" in caplog.text)
            assert not server.connections.newcomers
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop, work)


@LOOPS
@VERSIONS
def test_any_client_is_told_by_an_alert(authority: Authority, loop: Any, version: ssl.TLSVersion) -> None:
    def visit(port: int) -> None:
        with at(port, visitor(authority, version)) as connection:
            connection.recv(1)

    async def work() -> None:
        async with secured(mutual(authority)) as server:
            with pytest.raises(ssl.SSLError, match=r"ALERT_HANDSHAKE_FAILURE|ALERT_CERTIFICATE_REQUIRED"):
                await asyncio.to_thread(visit, int(server.address.split(":")[1]))

    run(loop, work)


@LOOPS
def test_plaintext_at_a_tls_port_is_logged_and_those_who_only_look_are_not(
    authority: Authority, loop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with secured(authority.server()) as server:
            for said in (b"", b"GET / HTTP/1.1\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*server.address.split(":"))
                writer.write(said)
                writer.write_eof()
                await reader.read()
                writer.close()
            await turn_until(lambda: "it speaks HTTP without TLS" in caplog.text)
            assert len(caplog.records) == 1
            assert (await say(server.address, authority.trusted)).id == "a"

    run(loop, work)


def test_many_refusals_are_counted_instead_of_told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tls_handshake.RefusalLog()
    for _ in range(50):
        told.tell("", ssl.SSLError(1, "no"))
    assert len(caplog.records) == 20
    assert "a socket in the file system" in caplog.text
    monkeypatch.setattr(tls_handshake, "_TOLD_WITHIN", 0.0)
    told.tell("", ssl.SSLError(1, "no"))
    assert "30 more TLS handshakes failed" in caplog.text


@LOOPS
def test_a_server_that_closes_gives_up_handshakes(authority: Authority, loop: Any) -> None:
    async def work() -> None:
        async with secured(authority.server()) as server:
            _, writer = await asyncio.open_connection(*server.address.split(":"))
            await turn_until(lambda: server.connections.newcomers)
        await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert not server.connections.newcomers
        writer.close()

    run(loop, work)


# ALPN.


@LOOPS
@VERSIONS
@pytest.mark.parametrize(
    ("agreed", "said", "answer"),
    [
        ("h2", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b""),
        ("h2", b"INVALID CONNECTION PREFACE\r\n\r\n", b""),
        ("http/1.1", PREFACE + frames.settings([]), b"HTTP/1.1 "),
        ("http/1.1", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 404 "),
        ("h2", PREFACE + frames.settings([]), b"\0"),
    ],
)
def test_what_was_agreed_on_is_what_is_spoken(
    authority: Authority, loop: Any, version: ssl.TLSVersion, agreed: str, said: bytes, answer: bytes
) -> None:
    def visit(port: int) -> bytes:
        with at(port, visitor(authority, version, agreed)) as connection:
            assert connection.selected_alpn_protocol() == agreed
            connection.sendall(said)
            heard = b""
            right = answer in (b"HTTP/1.1 404 ", b"\0")
            with suppress(ConnectionError, ssl.SSLEOFError):
                while (not right or not heard) and (more := connection.recv(65_536)):
                    heard += more
            return heard

    async def work() -> None:
        async with secured(authority.server("localhost")) as server:
            heard = await asyncio.to_thread(visit, int(server.address.split(":")[1]))
            if agreed == "h2":
                assert b"HTTP/1.1" not in heard
                assert heard[3:4] == b"\4"  # SETTINGS, then why it ends
            else:
                assert heard.startswith(answer)
                assert answer == b"HTTP/1.1 404 " or heard.split()[1] in (b"400", b"505")

    run(loop, work)


async def test_a_server_that_agrees_on_http2_and_speaks_another_is_named(authority: Authority) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server", "127.0.0.1"))
    context.set_alpn_protocols(["h2"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    assert "HTTP/1.1" in await failure(f"127.0.0.1:{listener.sockets[0].getsockname()[1]}", authority.trusted)
    listener.close()
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


# What ends.


HOUR = 3600.0


@pytest.fixture
def _an_hour_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a certificate lasts is told by a clock that is ahead: by it one of an `HOUR` ends in about a second. OpenSSL has another, and
    takes it for good, however long a busy machine needs for the handshake."""
    monkeypatch.setattr(peer_certificate, "time", SimpleNamespace(time=lambda: time.time() + HOUR - 1.5))


def counting(authority: Authority, seconds: float, name: str = "short") -> tuple[Path, Path]:
    return authority.sign(name, x509.SubjectAlternativeName([x509.DNSName("localhost")]), ends=timedelta(seconds=seconds))


@LOOPS
@VERSIONS
@pytest.mark.usefixtures("_an_hour_ahead")
def test_a_connection_ends_with_the_certificate_of_its_client(authority: Authority, loop: Any, version: ssl.TLSVersion) -> None:
    def visit(port: int) -> bytes:
        context = visitor(authority, version, "h2")
        context.load_cert_chain(*counting(authority, HOUR))
        with at(port, context) as connection:
            connection.sendall(PREFACE + frames.settings([]))
            heard = b""
            with suppress(ConnectionError, ssl.SSLEOFError):
                while more := connection.recv(65_536):  # and never a word about the GOAWAY
                    heard += more
            return heard

    async def work() -> None:
        async with secured(mutual(authority)) as server:
            assert b"its client's certificate has expired" in await asyncio.to_thread(visit, int(server.address.split(":")[1]))
            await turn_until(lambda: not server.links)

    run(loop, work)


@pytest.mark.usefixtures("_an_hour_ahead")
async def test_a_client_with_a_renewed_certificate_loses_no_call_and_one_without_is_out(authority: Authority) -> None:
    echo = Echo()
    async with secured(mutual(authority), echo) as server:
        tls = identified(authority, counting(authority, HOUR))
        async with Channel(server.address, tls=tls, options=ChannelOptions(max_age=None)) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), PATIENT)
            (first,) = server.links
            counting(authority, 2 * HOUR)  # renewed in the same files
            while not first.closed.done():
                await client.say(pb.SayRequest(), PATIENT)
            counting(authority, HOUR)
        async with Channel(server.address, tls=tls, options=ChannelOptions(max_age=None)) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), PATIENT)
            (second,) = server.links
            endless = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
            await second.closed
            with pytest.raises(RpcError) as caught:
                await endless
            assert caught.value.code is Code.UNAVAILABLE
            counting(authority, -HOUR)  # what OpenSSL would find now
            with pytest.raises(RpcError, match="certificate expired"):
                await client.say(pb.SayRequest(), PATIENT)


async def test_a_connection_ends_with_the_certificate_of_its_server(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    certificate, key = counting(authority, 4)
    async with secured(ServerTls(certificate=certificate, key=key, reload_interval=0.01)) as server:
        target = server.address.replace("127.0.0.1", "localhost")
        async with Channel(target, tls=authority.trusted, options=ChannelOptions(max_age=None)) as channel:
            client = EchoServiceClient(channel)
            endless = asyncio.create_task(client.sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
            await turn_until(lambda: channel.pool.sole and channel.pool.sole.connection.streams)
            first = channel.pool.sole
            assert first is not None
            counting(authority, 3600)
            await reloaded(caplog)
            while not first.closed.done():
                await client.say(pb.SayRequest(), PATIENT)
            with pytest.raises(RpcError, match=r"expired|was lost"):
                await endless


async def test_a_connection_ends_with_the_authority_of_its_client_and_no_other_does(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(server_connection, "_DISTRUST_GRACE", 0.05)
    (authority.folder / "new").mkdir()
    new = Authority(authority.folder / "new")
    tls = mutual(authority, reload_interval=0.01)
    clients = authority.folder / "clients.pem"
    clients.write_bytes(authority.ca.cert_pem.bytes() + new.ca.cert_pem.bytes())
    async with (
        secured(tls) as server,
        Channel(server.address, tls=identified(authority, authority.issue("old", "old.test"))) as leaving,
        Channel(server.address, tls=identified(authority, new.issue("new", "new.test"))) as staying,
    ):
        endless = asyncio.create_task(EchoServiceClient(leaving).sleep(pb.SleepRequest(seconds=FOREVER), PATIENT))
        await EchoServiceClient(staying).say(pb.SayRequest(), PATIENT)
        await turn_until(lambda: len(server.links) == 2)
        kept = next(link for link in server.links if link.caller == "new.test")
        clients.write_bytes(new.ca.cert_pem.bytes())
        with pytest.raises(RpcError) as caught:
            await endless
        assert caught.value.code is Code.UNAVAILABLE
        with pytest.raises(RpcError, match="unknown ca"):
            await EchoServiceClient(leaving).say(pb.SayRequest(), PATIENT)
        await EchoServiceClient(staying).say(pb.SayRequest(), PATIENT)
        assert list(server.links) == [kept]
        clients.write_bytes(new.ca.cert_pem.bytes() + trustme.CA().cert_pem.bytes())  # one more: nobody has to go
        await turn_until(lambda: caplog.text.count("the certificate was reloaded") >= 2)
        assert list(server.links) == [kept]


def test_a_short_certificate_does_not_send_its_client_away_at_once() -> None:
    assert [margin(left) for left in (1e6, 100.0, 50.0, 6.0, 0.0, -5.0)] == [10.0, 10.0, 5.0, 0.6000000000000001, 0.0, 0.0]


class Shown:
    """What a transport has of its peer's certificate."""

    def __init__(self, certificate: dict[str, Any] | None) -> None:
        self._certificate = certificate

    def get_extra_info(self, _name: str) -> Any:
        return None if self._certificate is None else self

    def getpeercert(self) -> Any:
        return self._certificate


def test_where_the_chain_is_not_known_any_authority_may_have_vouched() -> None:
    plain: Any = Shown(None)
    anonymous: Any = Shown({})
    shown: Any = Shown({"notAfter": "Jan  1 00:00:00 2020 GMT"})
    assert (lifetime(plain), lifetime(anonymous)) == (None, None)
    assert lifetime(shown) < 0
    assert [vouched_for_by(of, frozenset({b"a"})) for of in (plain, anonymous, shown)] == [False, False, True]


# Files that are read again.


async def test_a_clients_certificate_and_authorities_are_read_for_each_connection(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pair = authority.issue("client", "first.test")
    tls = identified(authority, pair)
    echo = Echo()
    async with secured(mutual(authority), echo) as server, Channel(server.address, tls=tls) as channel:
        client = EchoServiceClient(channel)

        async def anew() -> str:
            if channel.pool.sole is not None:
                channel.pool.sole.abort()
                await turn_until(lambda: channel.pool.sole is None)
            await client.say(pb.SayRequest(), PATIENT)
            return echo.contexts[-1].caller

        assert await anew() == "first.test"
        authority.issue("client", "second.test")
        assert await anew() == "second.test"
        pair[1].write_text("not a key")
        assert await anew() == "second.test"
        assert "not reloaded, those before stay in use: tls" in caplog.text
        pair[0].unlink()
        assert await anew() == "second.test"
        authority.issue("client", "third.test")
        authority.folder.joinpath("ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
        with pytest.raises(RpcError, match="its certificate is not accepted"):
            await anew()
        authority.ca.cert_pem.write_to_path(authority.folder / "ca.pem")
        while True:
            with suppress(RpcError):
                assert await anew() == "third.test"
                break
