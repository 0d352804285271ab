"""Servers on a socket in the file system, asked by others' clients too."""

import asyncio
import socket
from pathlib import Path

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import PATIENCE, Echo
from tests.programs import needed
from towpath import App
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.context import CallOptions
from towpath._core.errors import SetupError
from towpath._transport import Channel, Server
from towpath._transport.address import UnixPath, bind

PATIENT = CallOptions(timeout=PATIENCE)


async def test_every_client_finds_it(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    async with App(ServiceConfig(listen=UnixPath(str(path)))) as app:
        app.add(Echo())
        await app.start()
        assert app.address == f"unix:{path}"
        async with Channel(app.address) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(n=1), PATIENT)).n == 1
        async with grpc.aio.insecure_channel(app.address) as channel:
            call = channel.unary_unary("/echo.v1.EchoService/Say", pb.SayRequest.SerializeToString, pb.SayResponse.FromString)
            assert (await call(pb.SayRequest(n=2), timeout=PATIENCE)).n == 2
        asked = [needed("curl"), "-s", "--unix-socket", str(path), "-H", "content-type: application/json", "-d", '{"n": 3}']
        process = await asyncio.create_subprocess_exec(*asked, "http://localhost/echo.v1.EchoService/Say", stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert out == b'{"n":"3"}'


async def test_what_a_server_left_behind_is_replaced(tmp_path: Path) -> None:
    place = UnixPath(str(tmp_path / "echo.sock"))
    for n in range(2):
        server = Server([Echo()])
        await server.start(sock=bind(place, "here"))
        async with Channel(str(place)) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(n=n), PATIENT)).n == n
        await server.close(0)


def test_a_socket_that_is_listened_on_is_left_alone(tmp_path: Path) -> None:
    place = UnixPath(str(tmp_path / "echo.sock"))
    with bind(place, "here", backlog=0) as listener, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.connect(place.path)
        for full in (False, True):
            with pytest.raises(SetupError, match=f"here: cannot listen on {place}: another process listens there"):
                bind(place, "here")
            second.setblocking(False)
            if not full:
                listener.listen(0)
                with pytest.raises(BlockingIOError):
                    second.connect(place.path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("file", "another process listens there, or the file is no socket"), ("none/a.sock", "No such file"), ("x" * 200, "too long")],
)
def test_a_path_that_cannot_be_had_is_named(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a socket")
    with pytest.raises(SetupError, match=f"here: cannot listen on unix:.*{reason}.*; choose another path"):
        bind(UnixPath(str(tmp_path / name)), "here")
    assert (tmp_path / "file").read_text() == "not a socket"
