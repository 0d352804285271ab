"""TLS over real sockets: both ends, grpcio as the other one, rotation while serving, and every fault in words that help."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.conformance.grpcio_peer import GrpcioEcho, Stub
from tests.echo_service import PATIENCE, Echo, serving, turn_until
from tests.programs import needed
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError, SetupError
from towpath._transport import Channel, ClientTls, Server, ServerTls
from towpath._transport.tls import Rotating

PATIENT = CallOptions(timeout=PATIENCE)
SPIFFE = "spiffe://example.org/search"


class Authority:
    """A certification authority with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca.cert_pem.write_to_path(folder / "ca.pem")
        self.trusted = ClientTls(ca=folder / "ca.pem")

    def issue(self, name: str, *identities: str, expires: datetime | None = None) -> tuple[Path, Path]:
        issued = self.ca.issue_cert(*identities, not_after=expires) if expires else self.ca.issue_cert(*identities)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def identify(self, name: str, uri: str, host: str) -> tuple[Path, Path]:
        """A certificate with a URI name, which trustme does not issue."""
        return self.sign(name, x509.SubjectAlternativeName([x509.DNSName(host), x509.UniformResourceIdentifier(uri)]))

    def sign(self, name: str, names: x509.ExtensionType, ends: timedelta = timedelta(hours=1)) -> tuple[Path, Path]:
        """A certificate with any names, that began two hours ago and ends in a while, or has ended."""
        authority = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        signer: Any = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        own = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        issued = (
            x509.CertificateBuilder(authority.subject, x509.Name([]), own.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=2))
            .not_valid_after(now + ends)
            .add_extension(names, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        certificate.write_bytes(issued.public_bytes(pem))
        key.write_bytes(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        return certificate, key

    def server(self, *identities: str, **options: Any) -> ServerTls:
        certificate, key = self.issue("server", *(identities or ("localhost", "127.0.0.1")))
        return ServerTls(certificate=certificate, key=key, **options)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def secured(tls: ServerTls, echo: Echo | None = None) -> AsyncIterator[Server]:
    server = Server([echo or Echo()])
    await server.start(tls=tls)
    try:
        yield server
    finally:
        await server.close(0)


async def say(address: str, tls: ClientTls | None) -> pb.SayResponse:
    async with Channel(address, tls=tls) as channel:
        return await EchoServiceClient(channel).say(pb.SayRequest(id="a"), PATIENT)


async def failure(address: str, tls: ClientTls | None) -> str:
    with pytest.raises(RpcError) as caught:
        await say(address, tls)
    assert caught.value.code is Code.UNAVAILABLE
    return caught.value.message


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_calls_over_tls(authority: Authority, loop: Any) -> None:
    async def call() -> None:
        echo = Echo()
        async with secured(authority.server(), echo) as server:
            assert (await say(server.address, authority.trusted)).id == "a"
            assert echo.contexts[-1].caller == ""

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(call())


async def test_a_client_is_known_by_its_certificate(authority: Authority) -> None:
    echo = Echo()
    async with secured(authority.server(client_ca=authority.folder / "ca.pem"), echo) as server:
        spiffe, plain = authority.identify("spiffe", SPIFFE, "search.example.org"), authority.issue("plain", "search.example.org")
        for (certificate, key), name in ((spiffe, SPIFFE), (plain, "search.example.org")):
            await say(server.address, replace(authority.trusted, certificate=certificate, key=key))
            assert echo.contexts[-1].caller == name
        message = await failure(server.address, authority.trusted)
        assert "the connection was closed" in message or "TLS" in message or "reset" in message.lower()


async def test_a_client_of_http1_may_use_tls_too(authority: Authority) -> None:
    curl = needed("curl")
    async with secured(authority.server()) as server:
        command = [curl, "-sS", "--cacert", str(authority.folder / "ca.pem"), "-H", "Content-Type: application/json", "-d", '{"id":"a"}']
        for version in ("--http1.1", "--http2"):
            url = f"https://{server.address}/echo.v1.EchoService/Say"
            process = await asyncio.create_subprocess_exec(*command, version, url, stdout=asyncio.subprocess.PIPE)
            out, _ = await process.communicate()
            assert out == b'{"id":"a"}'


async def test_grpcio_as_the_client(authority: Authority) -> None:
    certificate, key = authority.issue("client", "search.example.org")
    credentials = grpc.ssl_channel_credentials((authority.folder / "ca.pem").read_bytes(), key.read_bytes(), certificate.read_bytes())
    async with secured(authority.server(client_ca=authority.folder / "ca.pem")) as server:
        target = server.address.replace("127.0.0.1", "localhost")
        async with grpc.aio.secure_channel(target, credentials) as channel:
            assert (await Stub(channel).say(pb.SayRequest(id="a"), timeout=PATIENCE)).id == "a"
    await turn_until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_grpcio_as_the_server(authority: Authority) -> None:
    certificate, key = authority.issue("server", "localhost")
    server = grpc.aio.server()
    echo = GrpcioEcho()
    handler = grpc.unary_unary_rpc_method_handler(
        echo.say, request_deserializer=pb.SayRequest.FromString, response_serializer=pb.SayResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("echo.v1.EchoService", {"Say": handler}),))
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        assert (await say(f"localhost:{port}", authority.trusted)).id == "a"
    finally:
        await server.stop(None)


async def reloaded(caplog: pytest.LogCaptureFixture) -> None:
    """Until a server has found its files changed, and good."""
    await turn_until(lambda: "the certificate was reloaded from " in caplog.text)


async def test_a_rotated_certificate_is_shown_to_the_next_client_while_calls_go_on(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tls = authority.server("localhost", reload_interval=0.01)
    async with secured(tls) as server:
        target = server.address.replace("127.0.0.1", "localhost")
        async with Channel(target, tls=authority.trusted) as channel:
            client = EchoServiceClient(channel)
            await client.say(pb.SayRequest(), PATIENT)
            other = Authority(authority.folder)  # the same files, another authority
            other.issue("server", "localhost")
            await reloaded(caplog)
            await client.say(pb.SayRequest(), PATIENT)
        assert (await say(target, other.trusted)).id == "a"
        tls.key.write_text("not a key")
        await turn_until(lambda: "the one before stays in use" in caplog.text)
        assert (await say(target, other.trusted)).id == "a"
        tls.certificate.unlink()
        await turn_until(lambda: "tls.certificate: " in caplog.text)
        assert (await say(target, other.trusted)).id == "a"


async def test_what_is_wrong_with_a_servers_certificate_is_told_to_the_caller(authority: Authority) -> None:
    async with secured(authority.server("elsewhere.example.org")) as server:
        assert "its certificate is not accepted: IP address mismatch" in await failure(server.address, authority.trusted)
        named = replace(authority.trusted, server_name="elsewhere.example.org")
        assert (await say(server.address, named)).id == "a"
        assert "its certificate is not accepted: unable to get local issuer certificate" in await failure(server.address, ClientTls())
    yesterday = datetime.now(UTC) - timedelta(days=1)
    certificate, key = authority.issue("expired", "127.0.0.1", expires=yesterday)
    async with secured(ServerTls(certificate=certificate, key=key)) as server:
        assert "its certificate is not accepted: certificate has expired" in await failure(server.address, authority.trusted)


async def test_one_side_with_tls_and_one_without_is_told(authority: Authority) -> None:
    async with serving(Echo()) as server:
        message = await failure(server.address, authority.trusted)
        assert "it does not speak TLS" in message or "TLS failed" in message
    async with secured(authority.server()) as server:
        assert server.address in await failure(server.address, None)


async def test_a_server_without_http2_is_told(authority: Authority) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server", "127.0.0.1"))
    context.set_alpn_protocols(["http/1.1"])
    listener = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    assert "it speaks TLS, but not HTTP/2 (ALPN h2)" in await failure(f"127.0.0.1:{port}", authority.trusted)
    listener.close()
    await listener.wait_closed()


async def test_a_client_that_never_shakes_hands_is_let_go(authority: Authority) -> None:
    async with secured(authority.server(handshake_timeout=0.05)) as server:
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda tls: replace(tls, key=tls.key.with_name("none")), "tls.key: .* cannot be read: No such file"),
        (lambda tls: replace(tls, certificate=tls.key.with_name("none")), "tls.certificate: .* cannot be read: No such file"),
        (lambda tls: replace(tls, certificate=tls.key), "are not a certificate and its key in PEM"),
        (lambda tls: replace(tls, key=Authority(tls.key.parent).issue("other", "x")[1]), "tls.key: .* is not the key of"),
        (lambda tls: replace(tls, client_ca=tls.key.with_name("none")), "tls.client_ca: .* cannot be read: No such file"),
        (lambda tls: replace(tls, client_ca=tls.key), "tls.client_ca: .* holds no certificate in PEM"),
    ],
)
async def test_files_that_cannot_be_used_are_named(authority: Authority, change: Any, text: str) -> None:
    with pytest.raises(SetupError, match=text):
        Rotating(change(authority.server()))


async def test_an_encrypted_key_is_named(authority: Authority) -> None:
    tls = authority.server()
    key: Any = serialization.load_pem_private_key(tls.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem, traditional = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    tls.key.write_bytes(key.private_bytes(pem, traditional, locked))
    with pytest.raises(SetupError, match=r"tls\.key: .* is encrypted"):
        Rotating(tls)


async def test_a_clients_files_are_named_too(authority: Authority) -> None:
    certificate, key = authority.issue("client", "x")
    for tls, text in (
        (ClientTls(ca=authority.folder / "none"), r"tls\.ca: .* cannot be read"),
        (ClientTls(certificate=certificate), r"tls\.certificate and tls\.key belong together"),
        (ClientTls(key=key), r"tls\.certificate and tls\.key belong together"),
    ):
        with pytest.raises(SetupError, match=text):
            Channel("localhost:1", tls=tls)


async def test_plaintext_beyond_this_machine_has_to_be_meant() -> None:
    server = Server([Echo()])
    with pytest.raises(SetupError, match=r"can be reached by others, and has no TLS"):
        await server.start("0.0.0.0")
    await server.start("0.0.0.0", insecure=True)
    await server.close()
    for target in ("10.0.0.1:1", "flights:1", "[2001:db8::1]:1"):
        with pytest.raises(SetupError, match=r"has no TLS: give tls=, or insecure=True.*\[tls\] and service\.insecure"):
            Channel(target)
        Channel(target, insecure=True)
    for target in ("127.0.0.2:1", "localhost:1", "[::1]:1"):
        Channel(target)
