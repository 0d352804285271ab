"""What the fuzzers share: seeds as text, their mutations, and a server whose sockets are in memory.

A seed is a line of a file in `corpus/`, which a person can read and write: the bytes of one connection, with Python's escapes for what is
not printable. A line of `http2.txt` and of `answers.txt` is a list of frames, each as `TYPE/FLAGS/STREAM/PAYLOAD`. Lines with a `#` in
front are comments.
"""

import asyncio
import codecs
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, TypeVar

import httptools
from hpack import Decoder
from hypothesis import strategies as st

from tests.echo_service import Echo
from tests.library_service import Library
from tests.stream_service import Streams
from towpath._transport import Server
from towpath._transport.server.connections.protocol_detection import Front
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import FRAME_HEADER, FRAME_HEADER_SIZE, PREFACE

CORPUS = Path(__file__).parent / "corpus"

_TURNS = 8
"""Turns of the loop after which a server has done what it can do by itself with what came."""

_MAX_TURNS = 10_000
"""Turns of the loop after which a cancelled handler is one that does not end."""


def seeds(name: str) -> list[bytes]:
    """The seeds of a file."""
    lines = (CORPUS / f"{name}.txt").read_text().splitlines()
    return [unescaped(line) for line in lines if line and not line.startswith("#")]


def unescaped(text: str) -> bytes:
    """The bytes that the text with Python's escapes stands for."""
    return codecs.escape_decode(text.encode())[0]


def sessions(name: str) -> list[list[bytes]]:
    """The seeds of a file of HTTP/2, each a list of frames behind the preface."""
    lines = (CORPUS / f"{name}.txt").read_text().splitlines()
    return [[_frame_of(word) for word in line.split(" ")] for line in lines if line and not line.startswith("#")]


def _frame_of(word: str) -> bytes:
    kind, flags, stream_id, payload = word.split("/", 3)
    return frames.frame(getattr(frames, kind), int(flags), int(stream_id), unescaped(payload))


def mutated(seed: bytes, mutations: list[tuple[str, int, bytes]]) -> bytes:
    """The seed with what each mutation does to it at a place."""
    data = bytearray(seed)
    for mutation, place, piece in mutations:
        at = place % (len(data) + 1)
        if mutation == "put":
            data[at : at + len(piece)] = piece
        elif mutation == "insert":
            data[at:at] = piece
        elif mutation == "drop":
            del data[at : at + 1 + len(piece)]
        elif mutation == "flip":
            data[at : at + 1] = bytes(byte ^ 1 << len(piece) % 8 for byte in data[at : at + 1])
        elif mutation == "double":
            data[at:at] = data[at : at + 8 * (1 + len(piece))]
        else:
            del data[at:]
    return bytes(data)


def mutations_with(words: list[bytes]) -> st.SearchStrategy[list[tuple[str, int, bytes]]]:
    """Up to five mutations, whose pieces are taken from these words or are random."""
    kinds = st.sampled_from(["put", "insert", "insert", "drop", "flip", "double", "cut"])
    pieces = st.sampled_from(words) | st.binary(max_size=8)
    return st.lists(st.tuples(kinds, st.integers(0, 4000), pieces), min_size=1, max_size=5)


Changes = list[tuple[int, list[tuple[str, int, bytes]]]]
"""Mutations of parts of a session, by the part's number."""

Moves = list[tuple[int, int]]
"""Parts of a session that come once more, by their numbers and the places to which they go."""


def changes_with(words: list[bytes]) -> st.SearchStrategy[Changes]:
    """Mutations of up to three parts of a session."""
    return st.lists(st.tuples(st.integers(0, 20), mutations_with(words)), max_size=3)


def moves(most: int) -> st.SearchStrategy[Moves]:
    """Up to `most` repetitions of parts of a session."""
    return st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=most)


def altered(session: list[bytes], changes: Changes, repeated: Moves) -> list[bytes]:
    """The parts of a session with their mutations, and with those that come once more."""
    parts = list(session)
    for index, mutations in changes:
        place = index % len(parts)
        parts[place] = mutated(parts[place], mutations)
    for source, target in repeated:
        parts.insert(target % (len(parts) + 1), parts[source % len(parts)])
    return parts


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places taken modulo their length."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges) if begin < end]


class MemorySocket(asyncio.Transport):
    """A socket without an operating system: it keeps what is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.written = bytearray()
        self.protocol: Any = None
        self.closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 50_000) if name == "peername" else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: Any) -> None:
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The client reads all there is in any case."""

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        """The fuzzer goes on."""

    def resume_reading(self) -> None:
        """The fuzzer never stopped."""


class Faults(logging.Handler):
    """Keeps what is logged from `level` on, and what the loop of `runner` is told of."""

    def __init__(self, runner: asyncio.Runner, level: int) -> None:
        super().__init__(level)
        self.faults: list[str] = []
        self._runner = runner

    def emit(self, record: logging.LogRecord) -> None:
        self.faults.append(self.format(record))


F = TypeVar("F", bound=Faults)


@contextmanager
def watched(make: Callable[[asyncio.Runner], F]) -> Generator[F]:
    """What `make` makes for a loop of its own, while it keeps the faults."""
    with asyncio.Runner() as runner:
        made = make(runner)
        runner.get_loop().set_exception_handler(lambda _, context: made.faults.append(str(context)))
        logging.getLogger().addHandler(made)
        try:
            yield made
        finally:
            logging.getLogger().removeHandler(made)


class FuzzedServer(Faults):
    """A server of towpath's test services, fed by `converse`. Whatever it logs as an error is kept in `faults`."""

    def __init__(self, runner: asyncio.Runner) -> None:
        super().__init__(runner, logging.ERROR)
        self._server = Server([Echo(), Streams(), Library()])

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is None or record.exc_info[2] is None or not _by_handler(record.exc_info[2]):
            super().emit(record)

    def converse(self, pieces: list[bytes]) -> bytes:
        """What the server says on a connection that sends these pieces, ends its half, and goes. Raises AssertionError if a call outlives
        that, or if an error was logged."""
        said = self._runner.run(self._converse(pieces))
        assert self.faults == []
        return said

    async def _converse(self, pieces: list[bytes]) -> bytes:
        loop = asyncio.get_running_loop()
        server = self._server
        socket = MemorySocket(loop)
        socket.protocol = Front(loop, server)
        socket.protocol.connection_made(socket)
        for piece in pieces:
            if not socket.closing:
                socket.protocol.data_received(piece)
                await _turn(_TURNS)
        if not socket.closing and not socket.protocol.eof_received():
            socket.close()
        await _turn(_TURNS)
        socket.close()
        for _ in range(_MAX_TURNS):
            if not server.links and len(asyncio.all_tasks()) == 1:
                break
            await asyncio.sleep(0)
        else:
            raise AssertionError(f"left after the connection: {server.links}, {asyncio.all_tasks()}")
        return bytes(socket.written)


def _by_handler(traceback: TracebackType) -> bool:
    """Whether the handler of a test service raised it, as it was asked to."""
    return any(Path(frame.f_code.co_filename).parent == CORPUS.parents[1] for frame, _ in walk_tb(traceback))


async def _turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


class Responses:
    """The responses of HTTP/1.1 in what a server said. Raises httptools.HttpParserError for what is none."""

    def __init__(self, said: bytes) -> None:
        self.statuses: list[int] = []
        self.fields: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(said)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())


def check_frames(said: bytes) -> int:
    """Whether a server of HTTP/2 has said what a client can read, with each stream ended once. Returns how often it said goodbye."""
    decoder, at, ended, goodbyes = Decoder(), 0, set[int](), 0
    while at < len(said):
        word, flags, stream_id = FRAME_HEADER.unpack_from(said, at)
        kind, start, at = word & 0xFF, at + FRAME_HEADER_SIZE, at + FRAME_HEADER_SIZE + (word >> 8)
        assert at <= len(said)
        payload = said[start:at]
        assert word >> 8 <= frames.DEFAULT_MAX_FRAME_SIZE
        goodbyes += kind == frames.GOAWAY
        if kind in (frames.HEADERS, frames.DATA):
            assert stream_id not in ended
        if kind == frames.HEADERS:
            assert flags & frames.END_HEADERS
            assert all(b"\n" not in value and b"\r" not in value for _, value in decoder.decode(payload, raw=True))
        if kind == frames.RST_STREAM or (kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM):
            ended.add(stream_id)
    assert goodbyes <= 1
    return goodbyes


def opened(session: list[bytes]) -> bytes:
    """The bytes of a connection of HTTP/2 with these frames."""
    return PREFACE + frames.settings([]) + b"".join(session)
