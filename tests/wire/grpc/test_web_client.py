"""gRPC-Web's answers and the envelopes that they share with Connect: cut anywhere, with an end or without; the right ones come from real
servers in `tests/conformance/test_client_protocols.py`."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._wire.compression import GZIP
from towpath._wire.grpc.framing import frame, pack_prefix
from towpath._wire.grpc.web_client import GrpcWebResponseReader, head_fields
from towpath._wire.response_reader import OneMessageReader

HEAD = [(b"content-type", b"application/grpc-web+proto"), (b"x-a", b"1")]
GZIP_HEAD = [*HEAD, (b"grpc-encoding", b"gzip")]
OK = b"grpc-status: 0\r\n"


def ending(block: bytes, flag: int = 0x80) -> bytes:
    return pack_prefix(flag, len(block)) + block


def answer_of(*pieces: bytes, head: list[tuple[bytes, bytes]] = GZIP_HEAD) -> GrpcWebResponseReader:
    answer = GrpcWebResponseReader(1000)
    answer.head(b"200", head)
    for piece in pieces:
        answer.feed(piece)
    return answer


def fault(*pieces: bytes, head: list[tuple[bytes, bytes]] = HEAD, status: bytes = b"200") -> RpcError:
    answer = GrpcWebResponseReader(1000)

    def read() -> None:
        answer.head(status, head)
        for piece in pieces:
            answer.feed(piece)
        while answer.complete():
            answer.next()
        answer.end(())

    with pytest.raises(RpcError) as caught:
        read()
    return caught.value


@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans()), max_size=6), st.lists(st.integers(0, 2000)), st.booleans())
def test_messages_and_end_come_back_wherever_the_body_is_cut(messages: list[tuple[bytes, bool]], cuts: list[int], folded: bool) -> None:
    last = ending(GZIP.compress(OK + b"T-a: 2\r\n"), 0x81) if folded else ending(OK + b"T-a: 2\r\n")
    body = b"".join(frame(message, GZIP if compressed else None) for message, compressed in messages) + last
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    answer = answer_of(*(body[start:end] for start, end in itertools.pairwise(edges)))
    answer.end(())
    assert answer.complete() is bool(messages)
    assert [answer.next() for _ in messages] == [message for message, _ in messages]
    assert (answer.next(), answer.unread) == (None, 0)
    assert (answer.headers, answer.trailers) == (Metadata([("x-a", "1")]), Metadata([("t-a", "2")]))


@pytest.mark.parametrize(
    ("pieces", "code", "text"),
    [
        ((ending(b"grpc-status: 10\r\ngrpc-message: no%20%E2%98%BA\r\n"),), Code.ABORTED, "no ☺"),
        ((ending(b"Grpc-Status:5\r\n"),), Code.NOT_FOUND, ""),
        ((ending(b""),), Code.INTERNAL, "without trailers"),
        ((ending(b"no colon\r\n\xff: 1"),), Code.UNKNOWN, "without a grpc-status"),
        ((frame(b"abc"),), Code.INTERNAL, "without trailers"),
        ((ending(OK), frame(b"")), Code.INTERNAL, "goes on behind its end"),
        ((ending(OK) + ending(OK),), Code.INTERNAL, "goes on behind its end"),
        ((ending(OK), b"\0"), Code.INTERNAL, "ended within a message"),
        ((pack_prefix(0, 1001),), Code.RESOURCE_EXHAUSTED, "larger than the limit of 1000"),
        ((frame(b"abc", GZIP),), Code.INTERNAL, "names no compression"),
        ((ending(GZIP.compress(OK), 0x81),), Code.INTERNAL, "names no compression"),
        ((pack_prefix(4, 0),), Code.INTERNAL, "compressed flag is 4"),
    ],
)
def test_what_is_wrong_with_an_answer_has_a_name(pieces: tuple[bytes, ...], code: Code, text: str) -> None:
    error = fault(*pieces)
    assert error.code is code
    assert text in error.message


@pytest.mark.parametrize("line", [b"a b: 1", b": 1", b":status: 1", b"x: 1\nset-cookie: a", b"x\0: 1"])
def test_what_no_header_can_carry_is_not_read_from_a_frame_of_trailers(line: bytes) -> None:
    answer = answer_of(ending(line + b"\r\ny: 2\r\ngrpc-status: 5\r\ngrpc-message: two\nlines\r\n"))
    with pytest.raises(RpcError, match=r"two\\nlines") as caught:
        answer.end(())
    assert list(answer.trailers) == list(caught.value.metadata) == [("y", "2")]


def test_an_answer_without_a_body_has_its_status_in_the_head() -> None:
    error = fault(head=[*HEAD, (b"grpc-status", b"7")])
    assert (error.code, error.metadata) == (Code.PERMISSION_DENIED, Metadata([("x-a", "1")]))
    assert fault(head=[(b"grpc-status", b"7")], status=b"502").code is Code.PERMISSION_DENIED


@pytest.mark.parametrize(("status", "head"), [(b"503", HEAD), (b"200", [(b"content-type", b"text/html")]), (b"200", [])])
def test_what_is_not_grpc_web_is_told_as_such(status: bytes, head: list[tuple[bytes, bytes]]) -> None:
    error = fault(head=head, status=status)
    assert error.code is (Code.UNAVAILABLE if status == b"503" else Code.UNKNOWN)
    assert error.message.startswith("the peer does not speak gRPC-Web: HTTP status")


def test_https_own_trailers_count_where_the_body_has_none() -> None:
    answer = answer_of()
    with pytest.raises(RpcError, match="UNAUTHENTICATED"):
        answer.end([(b"grpc-status", b"16")])


def test_a_unary_call_has_one_message() -> None:
    whole = OneMessageReader(GrpcWebResponseReader(1000))
    whole.head(b"200", HEAD)
    whole.feed(frame(b"abc") + ending(OK + b"t-a: 2\r\n"))
    assert whole.end(()) == b"abc"
    assert (whole.headers.get("x-a"), whole.trailers.get("t-a")) == ("1", "2")


def test_a_unary_call_with_another_number_of_messages_fails() -> None:
    whole = OneMessageReader(GrpcWebResponseReader(1000))
    whole.head(b"200", HEAD)
    with pytest.raises(RpcError, match="more than one message"):
        whole.feed(frame(b"abc") * 2)
    whole = OneMessageReader(GrpcWebResponseReader(1000))
    whole.head(b"200", HEAD)
    whole.feed(ending(OK))
    with pytest.raises(RpcError, match="OK without a message"):
        whole.end(())


def test_compression_is_announced() -> None:
    assert (b"grpc-encoding", b"gzip") in head_fields(GZIP)
    assert (b"grpc-encoding", b"gzip") not in head_fields(None)
