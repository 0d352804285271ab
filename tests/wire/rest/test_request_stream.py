"""Bodies that are streams of requests, cut into lines or pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._wire.rest.request_stream import PIECE, BodyReader, LineReader, PieceReader

LINES = st.lists(st.binary(max_size=2000).filter(lambda line: b"\n" not in line))


def cut(body: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % (len(body) + 1) for place in at})
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


def read(reader: BodyReader, pieces: list[bytes], *, greedy: bool) -> list[bytes]:
    """The parts of a body: each as soon as it has come, or all at the end."""
    found: list[bytes] = []
    for piece in pieces:
        reader.feed(piece)
        while greedy and reader.complete():
            part = reader.next()
            assert part is not None
            found.append(part)
    reader.finish()
    reader.finish()
    while (part := reader.next()) is not None:
        found.append(part)
    assert (reader.unread, reader.complete()) == (0, False)
    return found


@given(LINES, st.lists(st.integers(min_value=0)), st.booleans(), st.booleans())
def test_lines_are_those_of_the_body_however_it_comes(lines: list[bytes], at: list[int], greedy: bool, ends: bool) -> None:
    body = b"\n".join(lines) + (b"\n" if ends else b"")
    found = read(LineReader(10_000), cut(body, at), greedy=greedy)
    assert [line.strip(b" \t\r\n") for line in found] == [stripped for line in lines if (stripped := line.strip(b" \t\r\n"))]


@given(st.binary(max_size=5000), st.lists(st.integers(min_value=0)), st.booleans(), st.integers(min_value=1, max_value=6000))
def test_pieces_are_the_body_however_it_comes(body: bytes, at: list[int], greedy: bool, limit: int) -> None:
    found = read(PieceReader(limit), cut(body, at), greedy=greedy)
    assert b"".join(found) == body
    assert all(len(part) <= limit for part in found)
    assert found  # an empty body too is a request


def test_a_piece_has_no_more_than_a_message_needs() -> None:
    assert [len(part) for part in read(PieceReader(1 << 30), [bytes(3 * PIECE + 1)], greedy=False)] == [PIECE, PIECE, PIECE, 1]


@pytest.mark.parametrize("body", [b"x" * 11, b"x" * 11 + b"\n", b"{}\n" + b"x" * 11 + b"\n"])
def test_a_line_over_the_limit_is_refused(body: bytes) -> None:
    reader = LineReader(10)
    with pytest.raises(RpcError, match="a message is larger than the limit of 10 bytes") as caught:
        read(reader, [body], greedy=True)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_a_line_that_never_ends_is_refused_once_it_is_too_long() -> None:
    reader = LineReader(5000)
    for _ in range(5):
        reader.feed(b"x" * 1000)
    with pytest.raises(RpcError, match="larger than the limit of 5000 bytes"):
        reader.feed(b"x" * 1000)


def test_blank_lines_are_not_kept() -> None:
    reader = LineReader(10)
    for _ in range(100):
        reader.feed(b" \r\n" * 1000)
        assert (reader.unread, reader.complete(), reader.next()) == (0, False, None)
