"""Frames as bytes: types, flags, and the few frames that are built outside the hot path (RFC 9113, sections 4 and 6)."""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_SIZE: Final = 9
MAX_WINDOW: Final = 2**31 - 1
MAX_STREAM_ID: Final = 2**31 - 1
DEFAULT_WINDOW: Final = 65_535
DEFAULT_MAX_FRAME_SIZE: Final = 16_384
LARGEST_MAX_FRAME_SIZE: Final = 2**24 - 1

# Plain integers, not enums: each frame compares them, and an IntEnum member costs one more attribute look-up.
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITIZED: Final = 0x20

FRAME_HEADER: Final = struct.Struct(">IBI")
"""Length and type in one word (`length << 8 | type`), flags, stream id: one unpack a frame instead of nine byte look-ups."""

pack_frame_header: Final = FRAME_HEADER.pack
unpack_frame_header: Final = FRAME_HEADER.unpack_from

_SETTING: Final = struct.Struct(">HI")


class Setting(IntEnum):
    """Parameters of SETTINGS (RFC 9113, section 6.5.2)."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One whole frame."""
    return FRAME_HEADER.pack(len(payload) << 8 | kind, flags, stream_id) + payload


def settings(values: Iterable[tuple[Setting, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The parameters of a SETTINGS payload, whose length the caller has checked."""
    return list(_SETTING.iter_unpack(payload))


def window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def rst_stream(stream_id: int, code: int) -> bytes:
    """A RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


def header_block(stream_id: int, block: bytes, *, end_stream: bool, max_frame_size: int) -> list[bytes]:
    """HEADERS, and CONTINUATIONs where the block does not fit one frame."""
    flags = END_STREAM if end_stream else 0
    if len(block) <= max_frame_size:
        return [FRAME_HEADER.pack(len(block) << 8 | HEADERS, flags | END_HEADERS, stream_id), block]
    chunks = [block[start : start + max_frame_size] for start in range(0, len(block), max_frame_size)]
    parts = [frame(HEADERS, flags, stream_id, chunks[0])]
    parts.extend(frame(CONTINUATION, 0, stream_id, chunk) for chunk in chunks[1:-1])
    parts.append(frame(CONTINUATION, END_HEADERS, stream_id, chunks[-1]))
    return parts
