"""The limits that a service file sets to a server, as clients that others wrote and bare sockets find them."""

import asyncio
import gzip
import http.client
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
import hpack
import pytest
from echo.v1 import echo_pb2 as pb

from tests.conformance.grpcio_peer import Stub
from tests.echo_service import FOREVER, PATIENCE, Echo, turn_until
from tests.library_service import Library
from tests.transport.raw_peer import raw_client
from towpath import App, Decision
from towpath._app.settings.service_file import load
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import Setting
from towpath.testing import Simulation, simulate

SAY: Final = "/echo.v1.EchoService/Say"
JSON: Final = {"content-type": "application/json"}
HEAD: Final = b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def started(folder: Path, text: str, told: list[Decision] | None = None) -> AsyncIterator[tuple[App, Echo]]:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    echo = Echo()
    async with App(load(path, {}), on_decision=None if told is None else told.append) as app:
        app.add(echo, Library())
        await app.start("127.0.0.1", 0)
        yield app, echo


def posted(address: str, fields: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """The answer that Python's own client gets to a request with these header fields."""
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
        connection.request("POST", SAY, b'{"id":"a","tags":["xxxxxxxxxxxxxxxxxxxxxxxx"]}', {**JSON, **fields})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


async def post(app: App, fields: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    return await asyncio.to_thread(posted, app.address, fields)


async def opened(app: App, said: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = app.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server has closed the connection."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    ("limit", "size", "status"),
    [("", 9000, 431), ("", 7000, 200), ("header_limit = 8192", 4500, 431), ("header_limit = 200000", 90_000, 200)],
)
async def test_the_header_limit_holds_over_http1(limit: str, size: int, status: int, tmp_path: Path) -> None:
    async with started(tmp_path, f"[service]\n{limit}") as (app, _):
        assert (await post(app, {"x-a": "y" * size, "x-b": "y" * size}))[0] == status


@pytest.mark.parametrize(("limit", "passes"), [("", False), ("header_limit = 8192", False), ("header_limit = 200000", True)])
async def test_the_header_limit_holds_over_http2(limit: str, passes: bool, tmp_path: Path) -> None:
    async with started(tmp_path, f"[service]\n{limit}") as (app, _), grpc.aio.insecure_channel(app.address) as channel:
        echo = Stub(channel)
        await echo.say(pb.SayRequest(), metadata=[("x-a", "y" * 7000)], timeout=PATIENCE)
        large = [(f"x-{number}", "y" * 10_000) for number in range(6)]
        if passes:
            await echo.say(pb.SayRequest(), metadata=large, timeout=PATIENCE)
        else:
            with pytest.raises(grpc.RpcError):
                await echo.say(pb.SayRequest(), metadata=large, timeout=PATIENCE)


@pytest.mark.parametrize(("size", "compressed"), [(1024, True), (16_384, True), (16_384, False), (1_048_576, False)])
async def test_a_header_list_of_nearly_the_limit_passes_however_it_is_encoded(size: int, compressed: bool, tmp_path: Path) -> None:
    head = [(":method", "POST"), (":scheme", "http"), (":path", SAY), ("te", "trailers"), ("content-type", "application/grpc")]
    field = ("x-a", b"\xf9" * (size - 600))  # no octet that a field may have is longer in HPACK's code
    block = hpack.Encoder().encode([*head, field], huffman=compressed)
    async with started(tmp_path, f"[service]\nheader_limit = {size}") as (app, echo), raw_client(app.address) as peer:
        pieces = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
        for number, piece in enumerate(pieces):
            flags = frames.END_HEADERS if number == len(pieces) - 1 else 0
            peer.send(frames.CONTINUATION if number else frames.HEADERS, flags, 1, piece)
        peer.send(frames.DATA, frames.END_STREAM, 1, bytes(5))
        await turn_until(lambda: echo.seen["say"])


@pytest.mark.parametrize(("setting", "status"), [("", 431), ("[service.http1]\nmax_header_fields = 300", 200)])
async def test_how_many_header_fields_http1_takes_is_a_setting(setting: str, status: int, tmp_path: Path) -> None:
    async with started(tmp_path, setting) as (app, _):
        assert (await post(app, {f"x-{number}": "y" for number in range(200)}))[0] == status


async def test_the_limits_of_http2_are_in_the_settings_that_a_client_gets(tmp_path: Path) -> None:
    text = """[service]
        header_limit = 5000
        [service.http2]
        max_concurrent_streams = 3
        stream_window = 70000
        connection_window = 100000
        max_frame_size = 20000
    """
    async with started(tmp_path, text) as (app, _), raw_client(app.address) as peer:
        seen = [await peer.until(frames.SETTINGS), *await peer.until_silent_with(b"settings")]
        pairs = seen[0][3]
        settings = {int.from_bytes(pairs[at : at + 2]): int.from_bytes(pairs[at + 2 : at + 6]) for at in range(0, len(pairs), 6)}
        assert settings[Setting.MAX_CONCURRENT_STREAMS] == 3
        assert settings[Setting.INITIAL_WINDOW_SIZE] == 70_000
        assert settings[Setting.MAX_FRAME_SIZE] == 20_000
        assert settings[Setting.MAX_HEADER_LIST_SIZE] == 5000
        assert [int.from_bytes(frame[3]) for frame in seen if frame[0] == frames.WINDOW_UPDATE] == [100_000 - 65_535]


async def test_a_client_of_grpcio_has_no_more_calls_under_way_than_a_connection_may_have(tmp_path: Path) -> None:
    setting, own = "[service.http2]\nmax_concurrent_streams = 2", [("grpc.use_local_subchannel_pool", 1)]
    async with started(tmp_path, setting) as (app, echo), grpc.aio.insecure_channel(app.address) as channel:
        calls = [Stub(channel).sleep(pb.SleepRequest(seconds=FOREVER), timeout=PATIENCE) for _ in range(4)]
        await echo.until(lambda: echo.seen["sleep"] == 2)
        async with grpc.aio.insecure_channel(app.address, options=own) as other:
            await Stub(other).say(pb.SayRequest(), timeout=PATIENCE)
        assert echo.seen["sleep"] == 2
        echo.release.set()
        await asyncio.gather(*calls)


@pytest.mark.parametrize(("burst", "ends"), [(5, True), (1000, False)])
async def test_how_many_calls_a_client_may_take_back_is_a_setting(burst: int, ends: bool, tmp_path: Path) -> None:
    text = f"[service.http2]\nreset_burst = {burst}\nresets_per_second = 0"
    async with started(tmp_path, text) as (app, _), raw_client(app.address) as peer:
        for stream_id in range(1, 41, 2):
            peer.call(stream_id, b"Sleep", b"")
            peer.send(frames.RST_STREAM, 0, stream_id, (8).to_bytes(4))
        if ends:
            assert (await peer.until(frames.GOAWAY))[3][4:8] == (11).to_bytes(4)  # ENHANCE_YOUR_CALM
        else:
            assert frames.GOAWAY not in {frame[0] for frame in await peer.until_silent_with(b"lenient!")}


@pytest.mark.parametrize(
    ("setting", "reason"), [("max_connections = 1", "TOO_MANY_CONNECTIONS"), ("max_per_peer = 1", "TOO_MANY_CONNECTIONS_OF_PEER")]
)
async def test_how_many_connections_there_are_is_a_setting(setting: str, reason: str, tmp_path: Path) -> None:
    told: list[Decision] = []
    text = f"[service.connections]\n{setting}"
    async with started(tmp_path, text, told) as (app, echo), grpc.aio.insecure_channel(app.address) as channel:
        under_way = Stub(channel).sleep(pb.SleepRequest(seconds=FOREVER), timeout=PATIENCE)
        await echo.until(lambda: echo.seen["sleep"] == 1)
        reader, writer = await opened(app, HEAD)
        assert await rest(reader) == b""
        writer.close()
        echo.release.set()
        await under_way
    assert reason in {decision.reason for decision in told}


@pytest.mark.parametrize(
    ("setting", "said", "answer"),
    [
        ('head_timeout = "0.2s"', HEAD[:30], b"HTTP/1.1 408 "),
        ('head_timeout = "0.2s"', b"", b""),
        ('idle_timeout = "0.2s"', HEAD, b"HTTP/1.1 200 "),
        ('max_age = "0.2s"', HEAD, b"HTTP/1.1 200 "),
    ],
)
def test_a_connection_of_http1_ends_when_its_time_is_over(setting: str, said: bytes, answer: bytes, tmp_path: Path) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text(f"[service]\ninsecure = true\n[service.connections]\n{setting}", encoding="utf-8")

    async def main(simulation: Simulation) -> bytes:
        async with App(load(path, {})) as app:
            app.add(Echo())
            await app.start(sock=simulation.node("server").listen(8080))
            reader, writer = await asyncio.open_connection("server", 8080)
            writer.write(said)
            heard = await rest(reader)
            writer.close()
            return heard

    assert simulate(main)[: len(answer)] == answer


@pytest.mark.parametrize("setting", ['unused_timeout = "0.2s"', 'max_age = "0.2s"'])
async def test_a_client_of_http2_is_asked_to_go_elsewhere(setting: str, tmp_path: Path) -> None:
    async with started(tmp_path, f"[service.connections]\n{setting}") as (app, _), raw_client(app.address) as peer:
        assert (await peer.until(frames.GOAWAY))[3][4:8] == bytes(4)


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("", (1, 120, 30, 4)),
        ('time = "9.6s"\ntimeout = "20s"', (1, 10, 5, 4)),
        ('timeout = "2s"', (1, 120, 1, 2)),
        ('time = "off"', (0,)),
    ],
)
async def test_tcp_asks_silent_clients_as_often_as_the_file_says(setting: str, kept: tuple[int, ...], tmp_path: Path) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text(f"[service.keepalive]\n{setting}", encoding="utf-8")
    listener = socket.create_server(("127.0.0.1", 0))
    async with App(load(path, {})) as app:
        await app.start(sock=listener)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        found = (
            listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            *(listener.getsockopt(socket.IPPROTO_TCP, option) for option in options),
        )
        assert found[: len(kept)] == kept


@pytest.mark.parametrize(("setting", "encoding"), [("", None), ('compression = "off"', None), ('compression = "gzip"', "gzip")])
async def test_answers_are_compressed_for_clients_that_accept_it(setting: str, encoding: str | None, tmp_path: Path) -> None:
    async with started(tmp_path, f"[service]\n{setting}") as (app, _):
        status, fields, body = await post(app, {"accept-encoding": "gzip"})
        assert (status, fields.get("content-encoding")) == (200, encoding)
        assert b'"id":"a"' in (body if encoding is None else gzip.decompress(body))
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = Stub(channel).say(pb.SayRequest(id="a"), timeout=PATIENCE)
            assert (await call).id == "a"
        async with raw_client(app.address) as peer:
            peer.call(1, b"Say", b"", (b"grpc-accept-encoding", b"gzip"))
            assert peer.fields(await peer.until(frames.HEADERS, 1)).get(b"grpc-encoding", b"identity").decode() == (encoding or "identity")
