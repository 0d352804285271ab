"""What the tests of the recorder share: a recorder in memory, two services that call each other, and the rows that they left."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo, Relay, turn_until
from tests.stream_service import Streams
from towpath import App, connect
from towpath._app.client import Channel
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.flight_recorder import process_recorder, ring
from towpath._telemetry.flight_recorder.recorder import Recorder
from towpath._telemetry.flight_recorder.row import NOT_REACHED, Kind, Row
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import ChannelOptions


class Rows:
    """The rows of a recorder in memory."""

    def __init__(self, rows: int = 1024) -> None:
        self.writer = ring.Writer(None, service="scene", rows=rows)
        self.recorder = Recorder(self.writer)

    @property
    def recording(self) -> ring.Recording:
        return ring.parsed(memoryview(self.writer.buffer), "memory")

    def of(self, kind: Kind, method: str = "") -> list[Row]:
        recording = self.recording
        return [row for row in recording.rows if row.kind == kind and recording.name(row.method).endswith(method)]

    def name(self, index: int) -> str:
        return self.recording.name(index)

    async def one(self, kind: Kind, method: str = "") -> Row:
        """The only row of its kind, once it is there."""
        await turn_until(lambda: self.of(kind, method))
        (row,) = self.of(kind, method)
        return row


@contextmanager
def recording(rows: int = 1024) -> Iterator[Rows]:
    """Applications and channels that are made inside are recorded."""
    found = Rows(rows)
    process_recorder.install(found.recorder)
    try:
        yield found
    finally:
        process_recorder.install(None)


class Scene(NamedTuple):
    """Two applications, of which `relay` calls `echo`, and clients of both."""

    rows: Rows
    echo: Echo
    streams: Streams
    address: str
    caller: EchoServiceClient
    """Calls the relay."""
    client: EchoServiceClient
    """Calls the echo."""
    stream: StreamServiceClient


def client_of(address: str, *, protocol: Any = "grpc", config: ServiceConfig | None = None, **options: Any) -> Channel:
    return connect(address, metrics=CallMetrics(), config=config, options=ChannelOptions(protocol=protocol), **options)


@asynccontextmanager
async def scene(*, protocol: Any = "grpc", config: ServiceConfig | None = None, rows: int = 1024, **app: Any) -> AsyncIterator[Scene]:
    with recording(rows) as found:
        echo, streams = Echo(), Streams()
        back = App(config, **app)
        back.add(echo, streams)
        await back.start("127.0.0.1", 0)
        async with back, client_of(back.address, protocol=protocol, config=config) as to_back:
            client = EchoServiceClient(to_back)
            front = App()
            front.add(Relay(client))
            await front.start("127.0.0.1", 0)
            async with front, client_of(front.address) as to_front:
                yield Scene(found, echo, streams, back.address, EchoServiceClient(to_front), client, StreamServiceClient(to_back))


SAY = pb.SayRequest(id="x")
WAIT = {"timeout": PATIENCE}


def in_order(row: Row, *marks: int) -> bool:
    """Whether the row came to these marks, one after the other, and to no other."""
    times = [row.marks[mark] for mark in marks]
    others = {row.marks[mark] for mark in range(len(row.marks)) if mark not in marks}
    return NOT_REACHED not in times and times == sorted(times) and others <= {NOT_REACHED}


async def gone(scene: Scene, kind: Kind, method: str = "") -> Row:
    async with asyncio.timeout(PATIENCE):
        return await scene.rows.one(kind, method)
