"""`service.message_limit`: how large a request of a service may be, in every protocol and over both HTTPs."""

import asyncio
import http.client
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_pb2 import Answer, RepeatRequest
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import Echo
from tests.library_service import Library
from tests.stream_service import Streams
from towpath import App
from towpath._app.settings.service_file import ServiceConfig, load
from towpath._core.errors import Code, RpcError, SetupError
from towpath._transport import Channel, ChannelOptions
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT, frame

LIMIT: Final = 1000
LARGE: Final = b"x" * LIMIT
TOO_LARGE: Final[dict[str, tuple[str, bytes, str]]] = {
    "connect": ("/echo.v1.EchoService/Say", b'{"id":"%s"}' % LARGE, "application/json"),
    "connect stream": ("/stream.v1.StreamService/Repeat", frame(b" " * LIMIT + b"{}"), "application/connect+json"),
    "grpc-web": ("/echo.v1.EchoService/Say", frame(LARGE + b"x"), "application/grpc-web+proto"),
    "rest": ("/v1/shelves/1/books", b'{"title":"%s"}' % LARGE, "application/json"),
}


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[App]:
    path = folder / "towpath.toml"
    path.write_text(f"[service]\nmessage_limit = {LIMIT}\n", encoding="utf-8")
    async with App(load(path, {})) as app:
        app.add(Echo(), Streams(), Library())
        await app.start("127.0.0.1", 0)
        yield app


def post(address: str, path: str, body: bytes, content_type: str) -> bytes:
    host, _, port = address.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=120)) as connection:
        connection.request("POST", path, body, {"content-type": content_type})
        return connection.getresponse().read()


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_it_holds_over_http1(name, tmp_path):
    async with started(tmp_path) as app:
        answer = await asyncio.to_thread(post, app.address, *TOO_LARGE[name])
        assert b"larger than the limit of 1000 bytes" in answer.replace(b"%20", b" ")


@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_it_holds_over_http2(protocol, tmp_path):
    async with started(tmp_path) as app, Channel(app.address, options=ChannelOptions(protocol=protocol)) as channel:
        echo, streams = EchoServiceClient(channel), StreamServiceClient(channel)
        await echo.say(pb.SayRequest(payload=bytes(LIMIT - 100)))
        with pytest.raises(RpcError, match="larger than the limit of 1000 bytes") as caught:
            await echo.say(pb.SayRequest(payload=bytes(LIMIT)))
        assert caught.value.code is Code.RESOURCE_EXHAUSTED
        with pytest.raises(RpcError, match="larger than the limit of 1000 bytes"):
            async for _ in streams.repeat(RepeatRequest(answers=LIMIT * [Answer(size=1)])):
                pass


def test_without_it_the_limit_is_grpcs(tmp_path):
    assert ServiceConfig().message_limit == DEFAULT_MESSAGE_LIMIT == 4 * 1024 * 1024
    (tmp_path / "towpath.toml").write_text("[service]\n", encoding="utf-8")
    assert load(tmp_path / "towpath.toml", {}).message_limit == DEFAULT_MESSAGE_LIMIT


@pytest.mark.parametrize("limit", [0, -1])
def test_no_message_is_smaller_than_a_byte(limit, tmp_path):
    path = tmp_path / "towpath.toml"
    path.write_text(f"[service]\nmessage_limit = {limit}\n", encoding="utf-8")
    with pytest.raises(SetupError, match=rf"service\.message_limit: {limit} is out of range; give 1 to 4294967295 bytes"):
        load(path, {})
