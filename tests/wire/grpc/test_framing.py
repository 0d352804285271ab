"""Messages with their prefix: cut anywhere, compressed or not, too large or broken."""

import gzip
import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._wire.compression import GZIP
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT, PREFIX_SIZE, MessageReader, frame

LIMIT = 1000
MESSAGES = st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=6)


def everything(reader: MessageReader) -> list[bytes]:
    messages: list[bytes] = []
    while (message := reader.next()) is not None:
        messages.append(message)
    return messages


def prefixed(flag: int, message: bytes) -> bytes:
    return bytes((flag,)) + len(message).to_bytes(4, "big") + message


def fault(body: bytes, *, compression: bool = False, limit: int = LIMIT) -> RpcError:
    reader = MessageReader(limit, GZIP if compression else None)

    def read() -> None:
        reader.feed(body)
        reader.next()

    with pytest.raises(RpcError) as caught:
        read()
    return caught.value


@given(MESSAGES, st.lists(st.integers(0, 2000)))
def test_messages_come_back_wherever_the_body_is_cut(messages: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    body = b"".join(frame(message, GZIP if compressed else None) for message, compressed in messages)
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    reader = MessageReader(LIMIT, GZIP)
    got: list[bytes] = []
    for start, end in itertools.pairwise(edges):
        reader.feed(body[start:end])
        got += everything(reader)
    assert got == [message for message, _ in messages]
    assert reader.finished()


@given(st.binary(max_size=2000))
def test_a_compressed_message_is_a_gzip_file(message: bytes) -> None:
    framed = frame(message, GZIP)
    assert framed[:PREFIX_SIZE] == prefixed(1, framed[PREFIX_SIZE:])[:PREFIX_SIZE]
    assert gzip.decompress(framed[PREFIX_SIZE:]) == message


@given(st.binary(max_size=2000))
def test_what_another_gzip_writes_is_read(message: bytes) -> None:
    reader = MessageReader(2000, GZIP)
    reader.feed(prefixed(1, gzip.compress(message)))
    assert reader.next() == message


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_messages_or_an_error_for_the_caller(body: bytes, compression: bool) -> None:
    reader = MessageReader(LIMIT, GZIP if compression else None)
    try:
        reader.feed(body)
        everything(reader)
    except RpcError as error:
        assert error.code in {Code.INTERNAL, Code.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize("cut", [1, 4, 5, 7])
def test_a_body_that_ends_early_is_not_finished(cut: int) -> None:
    reader = MessageReader(LIMIT)
    reader.feed(frame(b"abc")[:cut])
    assert reader.next() is None
    assert not reader.finished()


def test_more_than_the_message_begun_shows_at_once() -> None:
    reader = MessageReader(LIMIT)
    body = frame(b"abc")
    for end in range(len(body) + 1):
        assert not reader.overfull(), end
        reader.feed(body[end : end + 1])
    reader.feed(b"\0")
    assert reader.overfull()


def test_a_message_as_large_as_the_limit_is_taken() -> None:
    for compressed in (False, True):
        reader = MessageReader(LIMIT, GZIP)
        reader.feed(frame(bytes(LIMIT), GZIP if compressed else None))
        assert reader.next() == bytes(LIMIT)


def test_one_byte_more_is_refused_before_it_has_come() -> None:
    error = fault(prefixed(0, bytes(LIMIT + 1))[:PREFIX_SIZE])
    assert (error.code, error.message) == (Code.RESOURCE_EXHAUSTED, "a message is larger than the limit of 1000 bytes")
    (told,) = error.details
    assert (told.reason, told.metadata) == ("OVER_LIMIT", {"size": "1001", "limit": "1000"})


def test_the_limit_holds_for_the_second_message_too() -> None:
    reader = MessageReader(LIMIT)
    reader.feed(frame(b"x") + prefixed(0, bytes(LIMIT + 1))[:PREFIX_SIZE])
    assert reader.next() == b"x"
    with pytest.raises(RpcError) as caught:
        reader.next()
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_the_limit_holds_after_decompression() -> None:
    error = fault(frame(bytes(LIMIT + 1), GZIP), compression=True)
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert "once decompressed" in error.message


def test_a_gzip_bomb_does_not_unfold() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = bytes(1 << 20)
    bomb = b"".join(compressor.compress(megabyte) for _ in range(256)) + compressor.flush()
    limit = DEFAULT_MESSAGE_LIMIT
    assert len(bomb) < limit  # 256 MiB in some 260 KiB
    tracemalloc.start()
    try:
        error = fault(prefixed(1, bomb), compression=True, limit=limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert peak < 4 * limit


@pytest.mark.parametrize("flag", [2, 3, 128, 255])
def test_an_unknown_flag_is_refused(flag: int) -> None:
    error = fault(prefixed(flag, b"x"), compression=True)
    assert (error.code, error.message) == (Code.INTERNAL, f"a message's compressed flag is {flag}, and neither 0 nor 1")


def test_compression_that_nobody_announced_is_refused() -> None:
    error = fault(frame(b"x", GZIP))
    assert error.code is Code.INTERNAL
    assert "grpc-encoding" in error.message


@pytest.mark.parametrize("message", [b"not gzip", gzip.compress(b"abc", mtime=0)[:-1], zlib.compress(b"abc")])
def test_broken_gzip_is_refused(message: bytes) -> None:
    error = fault(prefixed(1, message), compression=True)
    assert error.code is Code.INTERNAL
    assert "gzip" in error.message


def test_gzip_with_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(b"some text"))
    packed[-5] ^= 1
    assert fault(prefixed(1, bytes(packed)), compression=True).code is Code.INTERNAL
