"""Bytes to attack a server with: sessions of real clients as they were sent, their mutations, and noise; and a socket in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from towpath._wire.http2.frames import FRAME_HEADER, FRAME_HEADER_SIZE, PREFACE, frame, settings

MAX_NOISE = 400


class MemoryTransport(asyncio.Transport):
    """Takes what is written and counts it; closing tells the protocol in the next turn, as a socket's transport does."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self.written = 0
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 50_000) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        """The feeder does not stop."""

    def resume_reading(self) -> None:
        """Nor start."""


@asynccontextmanager
async def recording(address: str) -> AsyncIterator[tuple[str, list[bytearray]]]:
    """A proxy before `address`; yields its own address and what clients sent, one entry a connection."""
    sessions: list[bytearray] = []
    host, port = address.split(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Callable[[bytes], None]) -> None:
        try:
            while data := await reader.read(65_536):
                seen(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # the other direction sees the end too
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = bytearray()
        sessions.append(sent)
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, up_writer, sent.extend), copy(up_reader, writer, len))

    proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with proxy:
        proxy_host, proxy_port = proxy.sockets[0].getsockname()[:2]
        yield f"{proxy_host}:{proxy_port}", sessions


def noise(rng: random.Random) -> bytes:
    """Random bytes: from the first byte on, or after a beginning that lets them reach the frames, or as frames of random content."""
    depth = rng.randrange(3)
    if depth == 0:
        return rng.randbytes(rng.randrange(MAX_NOISE))
    opening = PREFACE + settings([])
    if depth == 1:
        return opening + rng.randbytes(rng.randrange(MAX_NOISE))
    return opening + b"".join(_random_frame(rng) for _ in range(rng.randrange(1, 12)))


def _random_frame(rng: random.Random) -> bytes:
    payload = rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 9, rng.randrange(200))))
    return frame(rng.randrange(11), rng.randrange(256), rng.choice((0, 1, 1, 3, 5, 7, 2, rng.getrandbits(31))), payload)


def frames_of(session: bytes) -> list[bytes]:
    """A session's frames, the preface first."""
    parts = [session[: len(PREFACE)]]
    position = len(PREFACE)
    while position < len(session):
        (word, _, _) = FRAME_HEADER.unpack_from(session, position)
        end = position + FRAME_HEADER_SIZE + (word >> 8)
        parts.append(session[position:end])
        position = end
    return parts


def mutated(frames: list[bytes], rng: random.Random) -> bytes:
    """The session with one to four things wrong."""
    parts = list(frames)
    for _ in range(rng.randrange(1, 5)):
        rng.choice(_MUTATIONS)(parts, rng)
    session = bytearray(b"".join(parts))
    if rng.random() < 0.3:
        for _ in range(rng.randrange(1, 8)):
            session[rng.randrange(len(session))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.2:
        del session[rng.randrange(len(session)) :]
    return bytes(session)


def _flip(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__setitem__(rng.randrange(len(part)), rng.randrange(256)))


def _edit(parts: list[bytes], rng: random.Random, change: Callable[[bytearray], None]) -> None:
    index = rng.randrange(1, len(parts))
    part = bytearray(parts[index])
    change(part)
    parts[index] = bytes(part)


def _lengthen(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__setitem__(slice(0, 3), rng.choice((0, 1, 40, 16_385, rng.getrandbits(24))).to_bytes(3, "big")))


def _retype(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__setitem__(3, rng.randrange(12)))


def _reflag(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__setitem__(4, rng.choice((0, 1, 4, 5, 8, 0x20, rng.randrange(256)))))


def _move_stream(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__setitem__(slice(5, 9), rng.choice((0, 1, 2, 3, 5, 99, rng.getrandbits(32))).to_bytes(4, "big")))


def _cut(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.__delitem__(slice(rng.randrange(9, len(part) + 1), None)))


def _stuff(parts: list[bytes], rng: random.Random) -> None:
    _edit(parts, rng, lambda part: part.extend(rng.randbytes(rng.randrange(20))))


def _duplicate(parts: list[bytes], rng: random.Random) -> None:
    parts.insert(rng.randrange(1, len(parts) + 1), rng.choice(parts))


def _drop(parts: list[bytes], rng: random.Random) -> None:
    if len(parts) > 3:
        del parts[rng.randrange(1, len(parts))]


def _swap(parts: list[bytes], rng: random.Random) -> None:
    first, second = rng.randrange(1, len(parts)), rng.randrange(1, len(parts))
    parts[first], parts[second] = parts[second], parts[first]


def _insert(parts: list[bytes], rng: random.Random) -> None:
    parts.insert(rng.randrange(1, len(parts) + 1), _random_frame(rng))


_MUTATIONS = (_flip, _lengthen, _retype, _reflag, _move_stream, _cut, _stuff, _duplicate, _drop, _swap, _insert)
