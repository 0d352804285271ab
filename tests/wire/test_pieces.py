"""A body costs what is in it, however small the pieces in which it comes."""

import tracemalloc
from collections.abc import Callable

import pytest
from echo.v1 import echo_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from towpath._wire.codec import PROTO
from towpath._wire.connect.client import ConnectUnaryResponseReader
from towpath._wire.connect.unary import ConnectUnaryDialect
from towpath._wire.grpc.framing import MessageReader
from towpath._wire.pieces import Pieces, keep_small

pytestmark = pytest.mark.untraced

_SIZE = 60_000
_LIMIT = 4 << 20


def _message_reader() -> Callable[[bytes], object]:
    reader = MessageReader(_LIMIT)
    reader.feed(b"\0" + _LIMIT.to_bytes(4, "big"))
    return reader.feed


def _one_body() -> Callable[[bytes], object]:
    return ConnectUnaryDialect(pb.SayRequest, PROTO, limit=_LIMIT, request_compression=None, response_compression=None).feed


def _response() -> Callable[[bytes], object]:
    return ConnectUnaryResponseReader(_LIMIT).feed


@pytest.mark.parametrize("size", [0, 1, 17])
@pytest.mark.parametrize("reader", [_message_reader, _one_body, _response])
def test_a_body_in_tiny_pieces_takes_about_its_own_size(reader: Callable[[], Callable[[bytes], object]], size: int) -> None:
    feed = reader()
    tracemalloc.start()
    try:
        for _ in range(_SIZE // max(size, 1)):
            feed(bytes(size))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * _SIZE


@given(st.lists(st.binary(max_size=70_000), max_size=8))
def test_small_pieces_are_kept_in_order(parts: list[bytes]) -> None:
    pieces: Pieces = []
    for part in parts:
        keep_small(pieces, part)
    assert b"".join(pieces) == b"".join(parts)


@given(st.binary(min_size=1, max_size=5000), st.lists(st.integers(1, 1500), min_size=1))
def test_a_message_cut_anywhere_is_read_whole(message: bytes, cuts: list[int]) -> None:
    body = b"\0" + len(message).to_bytes(4, "big") + message
    reader = MessageReader(_LIMIT)
    position = 0
    while position < len(body):
        for cut in cuts:
            reader.feed(body[position : position + cut])
            position += cut
    assert reader.next() == message
    assert reader.finished()
