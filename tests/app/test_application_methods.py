"""Limits and compressions of single methods, as a service file sets them to a server and to a target, over real sockets."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_pb2 import CollectRequest
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo, serving
from tests.stream_service import Streams
from towpath import App, CallOptions, Code, RpcError
from towpath._cli.explain import explain
from towpath._core.errors import SetupError
from towpath._transport import Channel, ChannelOptions
from towpath._transport.message_options import MessageOptions
from towpath.settings import load

PATIENT = CallOptions(timeout=PATIENCE)
FILE = """
[service]
contracts = ["echo.v1.echo_towpath", "stream.v1.stream_towpath"]
message_limit = 1000
compression = "gzip"
[service.methods."echo.v1.EchoService/Say"]
message_limit = "8MiB"
compression = "off"
[service.methods.StreamService]
message_limit = 2000
"""


@asynccontextmanager
async def started(folder: Path, text: str = FILE) -> AsyncIterator[App]:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    async with App(load(path, {})) as app:
        app.add(Echo(), Streams())
        await app.start("127.0.0.1", 0)
        yield app


@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_a_method_takes_what_its_table_says_and_others_what_the_service_says(protocol: str, tmp_path: Path) -> None:
    async with started(tmp_path) as app, Channel(app.address, message_limit=1 << 24, options=ChannelOptions(protocol=protocol)) as channel:
        echo, streams = EchoServiceClient(channel), StreamServiceClient(channel)
        assert len((await echo.say(pb.SayRequest(payload=bytes(6_000_000)), PATIENT)).payload) == 6_000_000
        with pytest.raises(RpcError, match="larger than the limit of 8388608 bytes"):
            await echo.say(pb.SayRequest(payload=bytes(8 << 20)), PATIENT)
        with pytest.raises(RpcError, match="larger than the limit of 1000 bytes") as caught:
            await echo.fail(pb.FailRequest(message="x" * 1000), PATIENT)
        assert caught.value.code is Code.RESOURCE_EXHAUSTED
        with pytest.raises(RpcError, match="larger than the limit of 2000 bytes"):
            await streams.collect([CollectRequest(payload=bytes(2000))], PATIENT)


def post(address: str, path: str, body: bytes) -> tuple[str | None, bytes]:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request("POST", path, body, {"content-type": "application/json", "accept-encoding": "gzip"})
        answer = connection.getresponse()
        return answer.getheader("content-encoding"), answer.read()


async def test_the_compression_of_responses_is_a_methods_own(tmp_path: Path) -> None:
    async with started(tmp_path) as app:
        encoding, _ = await asyncio.to_thread(post, app.address, "/echo.v1.EchoService/Say", b"{}")
        assert encoding is None
        encoding, _ = await asyncio.to_thread(post, app.address, "/echo.v1.EchoService/Sleep", b"{}")
        assert encoding == "gzip"


async def test_a_targets_methods_have_limits_and_compressions_of_their_own(tmp_path: Path) -> None:
    async with serving(Echo(), message_limit=1 << 24) as server:
        text = f"""
        [targets.echo]
        address = "{server.address}"
        message_limit = 100
        methods."EchoService/Say" = {{ message_limit = "8MiB", compression = "gzip" }}
        """
        (tmp_path / "towpath.toml").write_text(text)
        async with App(load(tmp_path / "towpath.toml", {})) as app:
            client = EchoServiceClient(app.channel("echo"))
            assert len((await client.say(pb.SayRequest(payload=bytes(6_000_000)), PATIENT)).payload) == 6_000_000
            assert len((await client.say(pb.SayRequest(payload=bytes(1000)), PATIENT)).payload) == 1000


async def test_a_bare_channel_takes_them_by_full_names() -> None:
    options = {"echo.v1.EchoService/Say": MessageOptions(message_limit=10)}
    async with serving(Echo()) as server, Channel(server.address, methods=options) as channel:
        with pytest.raises(RpcError, match="larger than the limit of 10 bytes"):
            await EchoServiceClient(channel).say(pb.SayRequest(payload=bytes(20)), PATIENT)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("EchoService/Sya", "targets.echo.methods.EchoService/Sya.*has no method 'Sya'"),
        ("EchoServise", "targets.echo.methods.EchoServise.*unknown service 'EchoServise'"),
    ],
)
async def test_a_targets_misspelt_method_is_an_error(name: str, error: str, tmp_path: Path) -> None:
    text = f'[targets.echo]\naddress = "127.0.0.1:1"\nmethods."{name}" = {{ message_limit = 1 }}\n'
    (tmp_path / "towpath.toml").write_text(f'[service]\ncontracts = ["echo.v1.echo_towpath"]\n{text}')
    async with App(load(tmp_path / "towpath.toml", {})) as app:
        with pytest.raises(SetupError, match=error):
            app.channel("echo")


async def test_a_servers_misspelt_method_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"service\.methods\.EchoService/Sya: service echo\.v1\.EchoService has no method 'Sya'"):
        async with started(tmp_path, '[service.methods."EchoService/Sya"]\nmessage_limit = 1\n'):
            pass


def test_explain_says_what_holds_for_the_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text(f'{FILE}\n[targets.echo]\naddress = "a:1"\nmethods."EchoService/Say" = {{ compression = "gzip", message_limit = 7 }}\n')
    explain("EchoService/Say", config=path)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    where = f"{path}: service.methods.echo.v1.EchoService/Say"
    assert f"message_limit 8388608 bytes; 1000 bytes for other methods {where}.message_limit" in rows
    assert f"compression off; gzip for other methods {where}.compression" in rows
    target = f"{path}: targets.echo.methods.EchoService/Say"
    assert f"targets.echo.compression gzip for this method {target}.compression" in rows
    assert f"targets.echo.message_limit 7 bytes for this method {target}.message_limit" in rows
    explain("EchoService/Fail", config=path)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert f"message_limit 1000 bytes; default 4194304 bytes {path}: service.message_limit" in rows
    assert not [row for row in rows if row.startswith("targets.echo")]
