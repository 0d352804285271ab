"""Targets, as text."""

import asyncio
from pathlib import Path

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.transport.raw_peer import RawPeer, http2_preface
from towpath._core.context import CallOptions
from towpath._core.errors import RpcError, SetupError
from towpath._transport import Address, Channel
from towpath._transport.address import UnixPath
from towpath._transport.client.endpoints.target import Target
from towpath._wire.http2 import ErrorCode, frames


@pytest.mark.parametrize(
    ("text", "scheme", "places", "authority", "loopback"),
    [
        ("flights:80", "host", (Address("flights", 80),), "flights:80", False),
        ("[::1]:80", "host", (Address("::1", 80),), "[::1]:80", True),
        ("dns:///flights:80", "dns", (Address("flights", 80),), "flights:80", False),
        ("static:///127.0.0.1:1, 127.0.0.2:2", "static", (Address("127.0.0.1", 1), Address("127.0.0.2", 2)), "127.0.0.1:1", True),
        ("static:///127.0.0.1:1,b:2,b:2", "static", (Address("127.0.0.1", 1), Address("b", 2)), "127.0.0.1:1", False),
        ("unix:run/a.sock", "unix", (UnixPath("run/a.sock"),), "localhost", True),
        ("unix:/run/a.sock", "unix", (UnixPath("/run/a.sock"),), "localhost", True),
        ("unix:///run/a.sock", "unix", (UnixPath("/run/a.sock"),), "localhost", True),
    ],
)
def test_a_target_is_understood(text: str, scheme: str, places: tuple[object, ...], authority: str, loopback: bool) -> None:
    target = Target.parse(text, "here")
    assert (target.scheme, target.places, target.authority, target.loopback) == (scheme, places, authority, loopback)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not host:port"),
        ("flights", "is not host:port"),
        ("flights:0", "has port 0"),
        ("static:///a:1,", "is not host:port"),
        ("static:///a:1,b:0", "has port 0"),
        ("dns:///a:1,b:2", "is ambiguous"),
        ("unix:", "names no socket"),
        ("unix://", "names no socket"),
        ("xds:///flights", "has an unknown scheme; write host:port, dns:///host:port, static:///a:1,b:2 or unix:path"),
    ],
)
def test_what_is_no_target_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(SetupError) as caught:
        Target.parse(text, "towpath.toml: targets.flights")
    assert str(caught.value).startswith("towpath.toml: targets.flights: ")
    assert complaint in str(caught.value)


async def test_a_socket_in_the_file_system_is_called(tmp_path: Path) -> None:
    authorities: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = RawPeer(reader, writer)
        await http2_preface(peer)
        frame = await peer.until(frames.HEADERS)
        authorities.append(peer.fields(frame)[b":authority"])
        writer.write(frames.rst_stream(frame[2], ErrorCode.REFUSED_STREAM))
        await writer.drain()
        await peer.closed()
        writer.close()

    path = tmp_path / "echo.sock"
    server = await asyncio.start_unix_server(behave, path)
    async with Channel(f"unix://{path}") as channel:
        with pytest.raises(RpcError, match="REFUSED_STREAM"):
            await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=30))
    assert authorities == [b"localhost"]
    server.close()
    await server.wait_closed()


async def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with Channel(f"unix:{tmp_path}/none.sock") as channel:
        with pytest.raises(RpcError, match=r"cannot connect to unix:.*none\.sock: "):
            await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=30))
