"""The other end of a connection as a test plays it, byte for byte: a client that speaks frames, and servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.echo_service import PATIENCE
from towpath._wire.grpc.framing import frame as message_frame
from towpath._wire.hpack import Decoder, literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM, FRAME_HEADER, FRAME_HEADER_SIZE, PREFACE, Setting

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream id, payload."""

EchoPath = b"/echo.v1.EchoService/"


def request_head(method: bytes, *more: tuple[bytes, bytes]) -> bytes:
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", EchoPath + method),
        (b":authority", b"test"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]
    own = dict(more)
    return b"".join(literal(name, own.pop(name, value)) for name, value in fields) + b"".join(literal(*field) for field in own.items())


class RawPeer:
    """Frames over a socket, and the socket itself for a test that speaks no frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = self._reader = reader  # scripts outside of the repository know the second name
        self.writer = writer
        self._decoder = Decoder(max_table_size=4096, max_list_size=1 << 20)

    def send(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> None:
        self.writer.write(frames.frame(kind, flags, stream_id, payload))

    def call(self, stream_id: int, method: bytes, message: bytes, *more: tuple[bytes, bytes]) -> None:
        """A whole unary request."""
        self.send(frames.HEADERS, END_HEADERS, stream_id, request_head(method, *more))
        self.send(frames.DATA, END_STREAM, stream_id, message_frame(message))

    async def frame(self) -> Frame:
        """The next frame; raises IncompleteReadError at the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            word, flags, stream_id = FRAME_HEADER.unpack(await self.reader.readexactly(FRAME_HEADER_SIZE))
            return word & 0xFF, flags, stream_id, await self.reader.readexactly(word >> 8)

    async def until(self, kind: int, stream_id: int | None = None) -> Frame:
        """The next frame of a type (and stream); what comes before it is skipped."""
        while True:
            frame = await self.frame()
            if frame[0] == kind and stream_id in (None, frame[2]):
                return frame

    async def until_silent_with(self, payload: bytes) -> list[Frame]:
        """Everything that the peer sends before it answers a PING: the answer shows that it has read all that was sent so far."""
        self.send(frames.PING, 0, 0, payload)
        seen: list[Frame] = []
        while (frame := await self.frame())[0] != frames.PING or frame[3] != payload:
            seen.append(frame)
        return seen

    def fields(self, frame: Frame) -> dict[bytes, bytes]:
        """The fields of a HEADERS frame, of those with one name the last. Every block of the connection has to pass through here or
        `field_list`, in order."""
        return dict(self.field_list(frame))

    def field_list(self, frame: Frame) -> list[tuple[bytes, bytes]]:
        """All fields of a HEADERS frame."""
        block = self._decoder.decode(frame[3])
        return [*block.known.fields, *block.extra]

    async def closed(self) -> None:
        """Until the peer has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            while await self.reader.read(65_536):
                pass


@asynccontextmanager
async def raw_client(address: str, settings: list[tuple[Setting, int]] | None = None) -> AsyncIterator[RawPeer]:
    """A client that has sent its preface and settings."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(PREFACE + frames.settings(settings or []))
        yield RawPeer(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def raw_server(behaviour: Callable[[RawPeer], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that treats each connection with `behaviour` and closes it afterwards; yields its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(RawPeer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has gone, which is what most tests end with
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)


async def http2_preface(peer: RawPeer, settings: list[tuple[Setting, int]] | None = None) -> None:
    """Play a server's part until calls may come."""
    peer.writer.write(frames.settings(settings or []))
    async with asyncio.timeout(PATIENCE):
        await peer.reader.readexactly(len(PREFACE))
