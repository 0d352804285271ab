"""The server's default stack over real sockets."""

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import Echo
from towpath import App, connect
from towpath.app.config import ServiceConfig
from towpath.telemetry.metrics import CallMetrics


async def test_a_server_in_admission_serves_what_it_can():
    async with App(ServiceConfig(admission="on")) as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            assert (await EchoServiceClient(channel).say(pb.SayRequest(id="a"))).id == "a"
