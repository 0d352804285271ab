"""What every test with a hostile peer uses: the server in a process of its own, the probe, and the attacker's connection.

The measure is the probe: a well-behaved client whose calls must all succeed while the attacker is at work. Beside it, the attacker has to
be told or cut, and the server has to hold as much afterwards as before. Nothing here measures time: on a slow machine it only takes longer.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Any

from echo.v1 import echo_pb2 as echo
from echo.v1.echo_towpath import EchoServiceClient
from hostile.v1 import hostile_pb2 as pb
from hostile.v1.hostile_towpath import HostileServiceClient

from tests.echo_service import PATIENCE
from towpath._core.context import CallOptions
from towpath._core.errors import Code, RpcError
from towpath._transport import Channel
from towpath._wire.hpack import Decoder
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import FRAME_HEADER, FRAME_HEADER_SIZE, PREFACE

ROOT = Path(__file__).parents[2]
LOOPS = ("uvloop", "asyncio")
PATIENT = CallOptions(timeout=PATIENCE)

MOST_GROWTH = 64 << 20
"""Bytes by which the server's memory may grow while it is attacked, and by which it may be larger afterwards: allocators give back late."""

_FINISHED = b"finished"
_STREAMS_KEPT = 256


class Victim:
    """A server under attack."""

    def __init__(self, address: str, process: subprocess.Popen[str], said: deque[str]) -> None:
        self.address = address
        self.process = process
        self.said = said
        """The last lines that the process has written."""

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.address.rpartition(":")
        return host, int(port)


@contextmanager
def victim(loop: str, settings: Path | None = None, *, files: int | None = None) -> Iterator[Victim]:
    """A process of `tests.hostile.victim` on this event loop, with the service file `settings`. It may have `files` files open."""
    paths = [str(ROOT), str(ROOT / "tests" / "gen")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOWPATH_")}
    environment |= {"TOWPATH_LOG_FORMAT": "console", "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {} if settings is None else {"TOWPATH_CONFIG": str(settings)}
    program = [sys.executable, "-m", "tests.hostile.victim", loop]
    command = program if files is None else ["prlimit", f"--nofile={files}:{files}", *program]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    with process:
        try:
            assert process.stderr is not None
            line = next((line for line in process.stderr if " serves " in line), "")
            said = deque([line], maxlen=200)
            threading.Thread(target=said.extend, args=(process.stderr,), daemon=True).start()
            yield Victim(line.split()[-1], process, said)
        finally:
            process.kill()


class Probe:
    """A well-behaved client that makes one call after the other, without retries."""

    def __init__(self, channel: Channel) -> None:
        self.answered = 0
        self.failed: Counter[str] = Counter()
        self._client = EchoServiceClient(channel)
        self._turned = asyncio.Condition()

    async def run(self) -> None:
        """Call until cancelled."""
        while True:
            try:
                await self._client.say(echo.SayRequest(id="probe"), PATIENT)
                self.answered += 1
            except RpcError as error:
                self.failed[f"{error.code.name}: {error.message}"] += 1
            async with self._turned:
                self._turned.notify_all()

    async def goes_on(self, calls: int = 20) -> None:
        """Wait until so many more calls have ended; all have to be answered."""
        wanted = self.answered + calls
        async with asyncio.timeout(PATIENCE), self._turned:
            await self._turned.wait_for(lambda: self.answered >= wanted or self.failed)
        assert not self.failed


async def reached(channel: Channel) -> None:
    """Wait until the server has answered a call: where it allows a head little time, a machine that stands still may miss it at first."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await EchoServiceClient(channel).say(echo.SayRequest(), PATIENT)
            except RpcError as error:
                assert error.code is Code.UNAVAILABLE, error
            else:
                return


@asynccontextmanager
async def probing(victim: Victim) -> AsyncIterator[Probe]:
    """A probe at work; nothing that it did may have failed when it ends."""
    async with Channel(victim.address) as channel:
        probe = Probe(channel)
        await reached(channel)
        running = asyncio.create_task(probe.run())
        try:
            await probe.goes_on()
            yield probe
            await probe.goes_on()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


class End(Enum):
    """What became of an attacker's connection."""

    SERVED = auto()
    """It still answers."""
    CALM = auto()
    """The server said ENHANCE_YOUR_CALM and closed it."""
    FAULT = auto()
    """The server said what was wrong, and closed it."""
    CUT = auto()
    """The server closed it. Its last words were lost, as they are if it resets the connection before they are read."""


class Attacker:
    """A connection that sends whatever it likes, and goes on while it is answered. The server's frames are counted, not kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, volume: int) -> None:
        self.volume = volume
        """How many times as much as in a short run is to be sent."""
        self.received: Counter[int] = Counter()
        """Frames of each type, once a connection of HTTP/2 has begun."""
        self.told: ErrorCode | None = None
        """The error of a GOAWAY."""
        self.fields: dict[int, dict[bytes, bytes]] = {}
        """The header fields and trailers of the last few hundred streams."""
        self.sizes: Counter[int] = Counter()
        """Bytes of the bodies of streams."""
        self.bodies: dict[int, bytes] = {}
        """The last frame of the bodies of as many streams."""
        self.ended: set[int] = set()
        """Streams that the server has ended."""
        self.raw = b""
        """What came and is no whole frame yet; without frames, the last MB that came."""
        self.over = asyncio.Event()
        """The connection has ended."""
        self._reader = reader
        self._writer = writer
        self._changed = asyncio.Event()
        self._ponged = False
        self._reading: asyncio.Task[None] | None = None
        self._next_stream = 1
        self._decoder = Decoder(max_table_size=4096, max_list_size=1 << 20)

    def read(self, *, in_frames: bool) -> None:
        """Begin to read what the server sends."""
        self._reading = asyncio.create_task(self._read(self._take_frames if in_frames else self._keep_tail))

    async def send(self, data: bytes, times: int = 1) -> None:
        """Send so often the same. Raises ConnectionError once the connection is over."""
        for _ in range(times):
            if self.over.is_set():
                raise ConnectionResetError
            self._writer.write(data)
            await self._writer.drain()
            await asyncio.sleep(0)  # the probe has its turn, however much the socket takes

    def greet(self, settings: bytes = b"") -> None:
        """Begin HTTP/2, and read what comes."""
        self._writer.write(PREFACE + frames.frame(frames.SETTINGS, 0, 0, settings))
        self.read(in_frames=True)

    def greet_in_silence(self, settings: bytes = frames.settings([])) -> None:
        """Begin HTTP/2 with these frames, and read nothing at all."""
        self._writer.write(PREFACE + settings)

    def stream(self) -> int:
        """The id of a new stream."""
        taken = self._next_stream
        self._next_stream += 2
        return taken

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that was received makes `condition` true, or the connection is over."""
        async with asyncio.timeout(PATIENCE):
            while not condition() and not self.over.is_set():
                self._changed.clear()
                await self._changed.wait()

    async def ending(self) -> End:
        """What the server does with this connection of HTTP/2 after all that came."""
        with suppress(ConnectionError):
            await self.send(frames.frame(frames.PING, 0, 0, _FINISHED))
            await self.until(lambda: self._ponged)
            if self._ponged and self.told is None:
                return End.SERVED
        async with asyncio.timeout(PATIENCE):
            await self.over.wait()
        if self.told is None:
            return End.CUT
        return End.CALM if self.told == ErrorCode.ENHANCE_YOUR_CALM else End.FAULT

    async def conversation(self, data: bytes) -> bytes:
        """Send `data` and the end of it, without frames; returns all that comes until the server ends the connection."""
        self.read(in_frames=False)
        with suppress(ConnectionError):
            await self.send(data)
            self._writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            await self.over.wait()
        return self.raw

    async def close(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self, take: Callable[[bytes], None]) -> None:
        try:
            while data := await self._reader.read(1 << 18):
                take(data)
                self._changed.set()
        except ConnectionError:
            pass
        finally:
            self.over.set()
            self._changed.set()

    def _keep_tail(self, data: bytes) -> None:
        self.raw = (self.raw + data)[-(1 << 20) :]

    def _take_frames(self, data: bytes) -> None:
        data = self.raw + data
        at = 0
        while at + FRAME_HEADER_SIZE <= len(data):
            word, flags, stream_id = FRAME_HEADER.unpack_from(data, at)
            end = at + FRAME_HEADER_SIZE + (word >> 8)
            if end > len(data):
                break
            self._take_frame(word & 0xFF, flags, stream_id, data[at + FRAME_HEADER_SIZE : end])
            at = end
        self.raw = data[at:]

    def _take_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        self.received[kind] += 1
        if kind == frames.GOAWAY:
            self.told = ErrorCode(int.from_bytes(payload[4:8], "big"))
        elif kind == frames.PING and flags & frames.ACK and payload == _FINISHED:
            self._ponged = True
        elif kind == frames.HEADERS:
            block = self._decoder.decode(payload)
            self.fields.setdefault(stream_id, {}).update((*block.known.fields, *block.extra))
            _keep_last(self.fields)
        elif kind == frames.DATA:
            self.sizes[stream_id] += len(payload)
            self.bodies[stream_id] = payload or self.bodies.get(stream_id, b"")
            _keep_last(self.bodies)
        if kind == frames.RST_STREAM or (kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM):
            self.ended.add(stream_id)


def _keep_last(found: dict[int, Any]) -> None:
    if len(found) > _STREAMS_KEPT:
        del found[next(iter(found))]


@asynccontextmanager
async def attacking(victim: Victim, volume: int = 1, *, receive_buffer: int | None = None) -> AsyncIterator[Attacker]:
    """A connection of an attacker, which has said nothing yet. With `receive_buffer` it has little room for what it is sent."""
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, victim.place)
    reader, writer = await asyncio.open_connection(sock=connection)
    attacker = Attacker(reader, writer, volume)
    try:
        yield attacker
    finally:
        await attacker.close()


async def settled(client: HostileServiceClient, before: pb.CensusResponse) -> pb.CensusResponse:
    """What the server holds once it has as many tasks and descriptors as `before`, or after a long wait for that."""
    until = asyncio.get_running_loop().time() + PATIENCE
    while True:
        after = await client.census(pb.CensusRequest(), PATIENT)
        if (after.tasks, after.descriptors) == (before.tasks, before.descriptors) or asyncio.get_running_loop().time() > until:
            return after


@asynccontextmanager
async def unharmed(victim: Victim, *, faults: int = 0) -> AsyncIterator[Probe]:
    """A probe at work, which has to succeed all the time. At the end the server has to hold what it held before, and to have logged no more
    than `faults` errors."""
    async with Channel(victim.address) as channel:
        client = HostileServiceClient(channel)
        await reached(channel)
        before = await client.census(pb.CensusRequest(forget_peak=True), PATIENT)
        async with probing(victim) as probe:
            yield probe
        after = await settled(client, before)
        assert (after.tasks, after.descriptors) == (before.tasks, before.descriptors)
        assert after.faults - before.faults <= faults, after.last_fault
        assert after.peak - before.memory <= MOST_GROWTH
        assert after.memory - before.memory <= MOST_GROWTH
    assert victim.process.poll() is None


Attack = Callable[[Attacker], Awaitable[None]]
"""What an attacker does on its connection."""
