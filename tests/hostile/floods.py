"""Attackers that send a server of HTTP/2 more frames or streams than anybody needs, over one connection.

Each sends some hundred KiB or a few MB, or `volume` times as much. The server may end the connection at any time: then
`Attacker.send` raises ConnectionError.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from tests.hostile.kit import Attack, Attacker, End
from tests.transport.raw_peer import request_head
from towpath._wire.hpack import literal
from towpath._wire.http2 import ErrorCode, frames
from towpath._wire.http2.frames import ACK, END_HEADERS, END_STREAM, PADDED, Setting, frame

_BATCH = 1000
_BATCHES = 20
_BATCHES_OF_CALLS = 4


async def _flood(peer: Attacker, piece: bytes, *, first: bytes = b"") -> None:
    """Send `first` once, then `piece` 20,000 times."""
    peer.greet()
    await peer.send(first)
    await peer.send(piece * _BATCH, _BATCHES * peer.volume)


def _opened(count: int = 1, method: bytes = b"Say") -> bytes:
    """The heads of so many calls, whose bodies are still to come."""
    return b"".join(frame(frames.HEADERS, END_HEADERS, stream_id, request_head(method)) for stream_id in range(1, 2 * count, 2))


def _ended() -> bytes:
    """A whole call without a message, which is answered with an error."""
    return frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, request_head(b"Say"))


async def _calls(peer: Attacker, head: bytes, behind: bytes = b"", *, first: bytes = b"", skipped: int = 0) -> None:
    """Open 4,000 streams, each with `behind` as the payload of a RST_STREAM or WINDOW_UPDATE frame that follows."""
    peer.greet()
    await peer.send(first)
    ids = itertools.count(1 + 2 * skipped, 2)
    for _ in range(_BATCHES_OF_CALLS * peer.volume):
        await peer.send(b"".join(_one(head, behind, next(ids)) for _ in range(_BATCH)))


def _one(head: bytes, behind: bytes, stream_id: int) -> bytes:
    opened = frame(frames.HEADERS, END_HEADERS, stream_id, head)
    if not behind:
        return opened
    return opened + frame(frames.RST_STREAM if behind == _CANCEL else frames.WINDOW_UPDATE, 0, stream_id, behind)


_CANCEL = int(ErrorCode.CANCEL).to_bytes(4, "big")


async def ping(peer: Attacker) -> None:
    """CVE-2019-9512: pings, whose answers are read."""
    await _flood(peer, frame(frames.PING, 0, 0, b"question"))


async def ping_answers(peer: Attacker) -> None:
    """Answers to pings that nobody sent."""
    await _flood(peer, frame(frames.PING, ACK, 0, b"question"))


async def settings(peer: Attacker) -> None:
    """CVE-2019-9515: settings without a parameter."""
    await _flood(peer, frames.settings([]))


async def settings_acknowledgements(peer: Attacker) -> None:
    """Acknowledgements of settings that nobody sent."""
    await _flood(peer, frame(frames.SETTINGS, ACK, 0))


async def settings_of_windows(peer: Attacker) -> None:
    """Settings that change the windows of as many streams as there may be."""
    grown, shrunk = (frames.settings([(Setting.INITIAL_WINDOW_SIZE, size)]) for size in (70_000, 1))
    await _flood(peer, grown + shrunk, first=_opened(256))


async def settings_of_tables(peer: Attacker) -> None:
    """Settings that empty the table of header compression and fill it again."""
    await _flood(peer, frames.settings([(Setting.HEADER_TABLE_SIZE, 0), (Setting.HEADER_TABLE_SIZE, 4096)]))


async def unknown_parameters(peer: Attacker) -> None:
    """Settings of thousands of parameters that nobody knows, in each frame."""
    peer.greet()
    await peer.send(frame(frames.SETTINGS, 0, 0, b"\0\x99\0\0\0\1" * 2700), 20 * peer.volume)


async def goodbyes(peer: Attacker) -> None:
    """Frames of GOAWAY after which nobody goes."""
    await _flood(peer, frames.goaway(0, 0, b"bye"))


async def empty_data(peer: Attacker) -> None:
    """CVE-2019-9518: DATA without data, which flow control does not hold back."""
    await _flood(peer, frame(frames.DATA, 0, 1), first=_opened())


async def empty_data_with_padding(peer: Attacker) -> None:
    """DATA that has padding and no data."""
    await _flood(peer, frame(frames.DATA, PADDED, 1, b"\0"), first=_opened())


async def data_of_padding(peer: Attacker) -> None:
    """DATA that is nothing but padding."""
    peer.greet()
    await peer.send(_opened())
    await peer.send(frame(frames.DATA, PADDED, 1, b"\xff" + bytes(255)) * 60, _BATCHES * peer.volume)


async def data_without_a_call(peer: Attacker) -> None:
    """DATA on a stream that has long ended."""
    await _flood(peer, frame(frames.DATA, 0, 1, b"x"), first=_ended())


async def single_bytes(peer: Attacker) -> None:
    """A message of a call that comes byte by byte, each in a frame."""
    message = frame(frames.DATA, 0, 1, b"\0" + (4 << 20).to_bytes(4, "big"))
    await _flood(peer, frame(frames.DATA, 0, 1, b"x"), first=_opened() + message)


async def priorities(peer: Attacker) -> None:
    """Priorities of a stream, which nobody heeds."""
    await _flood(peer, frame(frames.PRIORITY, 0, 1, b"\0\0\0\0\1"), first=_opened())


async def priorities_of_no_stream(peer: Attacker) -> None:
    """Priorities of a stream that was never opened."""
    await _flood(peer, frame(frames.PRIORITY, 0, 9999, b"\0\0\0\0\1"))


async def malformed_priorities(peer: Attacker) -> None:
    """Priorities that are cut short, on a stream that has ended: each is answered with a reset."""
    await _flood(peer, frame(frames.PRIORITY, 0, 1, b"\0\0\0\0"), first=_ended())


async def unknown_frames(peer: Attacker) -> None:
    """Frames of a type that nobody knows."""
    await _flood(peer, frame(0xFA, 0, 0))


async def unknown_frames_of_a_stream(peer: Attacker) -> None:
    """Such frames on a stream, with all flags."""
    await _flood(peer, frame(0xFA, 0xFF, 77))


async def window_updates(peer: Attacker) -> None:
    """Updates of the connection's window by one byte."""
    await _flood(peer, frames.window_update(0, 1))


async def window_updates_of_a_stream(peer: Attacker) -> None:
    """Updates of a stream's window by one byte."""
    await _flood(peer, frames.window_update(1, 1), first=_opened())


async def window_updates_of_all_streams(peer: Attacker) -> None:
    """Updates of the windows of 256 streams, one after the other."""
    updates = b"".join(frames.window_update(stream_id, 1) for stream_id in range(1, 513, 2))
    peer.greet()
    await peer.send(_opened(256))
    await peer.send(updates * 4, _BATCHES * peer.volume)


async def resets_of_what_has_ended(peer: Attacker) -> None:
    """Resets of a stream that was reset long ago."""
    await _flood(peer, frames.rst_stream(1, ErrorCode.CANCEL), first=_opened() + frames.rst_stream(1, ErrorCode.CANCEL))


async def rapid_reset(peer: Attacker) -> None:
    """CVE-2023-44487: calls that are taken back as soon as they were made."""
    await _calls(peer, request_head(b"Say"), _CANCEL)


async def provoked_resets(peer: Attacker) -> None:
    """CVE-2025-8671: calls that the server is made to reset."""
    await _calls(peer, request_head(b"Say"), bytes(4))


async def refused_streams(peer: Attacker) -> None:
    """Calls beyond the number that a connection may have."""
    await _calls(peer, request_head(b"Say"), first=_opened(256), skipped=256)


async def malformed_heads(peer: Attacker) -> None:
    """Calls with a field in upper case, which HTTP/2 forbids."""
    await _calls(peer, request_head(b"Say") + literal(b"Upper", b"x"))


async def unknown_paths(peer: Attacker) -> None:
    """Calls of a service that there is not."""
    await _calls(peer, request_head(b"Say", (b":path", b"/none.v1.None/None")))


async def unknown_content_types(peer: Attacker) -> None:
    """Calls in a format that there is not."""
    await _calls(peer, request_head(b"Say", (b"content-type", b"text/html")))


async def expired_calls(peer: Attacker) -> None:
    """Calls whose time is over when they come."""
    await _calls(peer, request_head(b"Say", (b"grpc-timeout", b"0n")))


def _continued(block: bytes, times: int) -> Iterator[bytes]:
    yield frame(frames.HEADERS, 0, 1, request_head(b"Say"))
    yield from itertools.repeat(frame(frames.CONTINUATION, 0, 1, block), times)


async def continuations(peer: Attacker) -> None:
    """CVE-2024-27316: a header block that never ends, in frames that carry nothing."""
    peer.greet()
    for piece in _continued(b"", 2000 * peer.volume):
        await peer.send(piece)


async def endless_header_block(peer: Attacker) -> None:
    """A header block that goes on for megabytes."""
    peer.greet()
    for piece in _continued(literal(b"x", bytes(16_000)), 200 * peer.volume):
        await peer.send(piece)


async def header_bombs(peer: Attacker) -> None:
    """CVE-2016-6581: one large field of the table, referred to thousands of times in each head."""
    entry = b"\x40\x04aaaa" + b"\x7f\xbd\x1d" + b"b" * 3900
    await _heads(peer, entry + b"\xbe" * 12_000)


async def small_indexes(peer: Attacker) -> None:
    """Heads of 16,000 fields of one byte each."""
    await _heads(peer, b"\x82" * 16_000)


async def table_size_updates(peer: Attacker) -> None:
    """Heads that change the size of the table, over and over."""
    await _heads(peer, b"\x20\x3f\xe1\x1f" * 4000)


async def inserted_fields(peer: Attacker) -> None:
    """Heads that put thousands of fields into the table, each of which pushes out another one."""
    letters = b"abcdefghijklmnopqrstuvwxyz"
    fields = (bytes((0x40, 1, letters[n % 26], 1, letters[n // 26 % 26])) for n in range(3200))
    await _heads(peer, b"".join(fields))


async def huffman_strings(peer: Attacker) -> None:
    """Heads of one long string that Huffman's code has made shorter."""
    await _heads(peer, b"\x00\x01a\xff\x99\x74" + bytes(15_000))


async def _heads(peer: Attacker, block: bytes) -> None:
    peer.greet()
    for stream_id in range(1, 2 * 20 * peer.volume, 2):
        await peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, stream_id, block))


async def overflowing_window(peer: Attacker) -> None:
    """More credit than a window can hold (RFC 9113, section 6.9.1)."""
    peer.greet()
    await peer.send(frames.window_update(0, 2**31 - 1), 2)


async def reference_to_nothing(peer: Attacker) -> None:
    """A head with a field that is in no table (RFC 7541, section 2.3.3)."""
    peer.greet()
    await peer.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\x07"))


class Flood(NamedTuple):
    """One kind of flood."""

    attack: Attack
    ends: frozenset[End]
    """What may become of the attacker's connection."""


_STOPPED = frozenset({End.CALM, End.CUT})
_BOUNDED = frozenset({End.CALM, End.CUT, End.SERVED})
"""What is cheap enough to be served, as long as everybody has their turn, may be served."""
_FAULTY = frozenset({End.FAULT, End.CUT})

FLOODS: dict[str, Flood] = {
    attack.__name__: Flood(attack, ends)
    for ends, attacks in {
        _STOPPED: (
            settings,
            settings_acknowledgements,
            settings_of_windows,
            settings_of_tables,
            unknown_parameters,
            goodbyes,
            empty_data,
            rapid_reset,
            provoked_resets,
            continuations,
            endless_header_block,
        ),
        _BOUNDED: (
            ping,
            ping_answers,
            empty_data_with_padding,
            data_of_padding,
            data_without_a_call,
            single_bytes,
            priorities,
            priorities_of_no_stream,
            malformed_priorities,
            unknown_frames,
            unknown_frames_of_a_stream,
            window_updates,
            window_updates_of_a_stream,
            window_updates_of_all_streams,
            resets_of_what_has_ended,
            refused_streams,
            malformed_heads,
            unknown_paths,
            unknown_content_types,
            expired_calls,
            inserted_fields,
            huffman_strings,
        ),
        _FAULTY: (overflowing_window, reference_to_nothing, header_bombs, small_indexes, table_size_updates),
    }.items()
    for attack in attacks
}
"""Each kind of flood by its name."""
