"""gRPC's answers as a client reads them; the right ones come from real servers in `tests/conformance`."""

import pytest

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire.compression import GZIP, Compression
from towpath._wire.grpc.client import GrpcResponseReader, ResponseHead, head_fields
from towpath._wire.grpc.framing import frame, pack_prefix
from towpath._wire.hpack import Decoder, literal
from towpath._wire.http2.fields import response
from towpath._wire.response_reader import OneMessageReader

HEAD = [(b"content-type", b"application/grpc+proto"), (b"x-a", b"1")]
GZIP_HEAD = [*HEAD, (b"grpc-encoding", b"gzip")]
OK = [(b"grpc-status", b"0"), (b"t-a", b"2")]


@pytest.mark.parametrize("compression", [None, GZIP])
def test_a_request_says_whether_it_is_compressed(compression: Compression | None) -> None:
    assert ((b"grpc-encoding", b"gzip") in head_fields(compression)) is (compression is GZIP)


def test_a_head_is_judged_once() -> None:
    block = Decoder(max_table_size=4096, max_list_size=1 << 20).decode(literal(b":status", b"200") + literal(*HEAD[0]))
    section, _ = response(block)
    assert ResponseHead.of(section) is ResponseHead.of(section)


def test_messages_come_out_and_metadata_on_both_sides_of_them() -> None:
    answer = GrpcResponseReader(1000)
    assert not answer.ends_in_body
    answer.head(b"200", GZIP_HEAD)
    answer.feed(frame(b"abc") + frame(b"de", GZIP) + b"\0")
    assert answer.complete()
    assert [answer.next(), answer.next(), answer.next()] == [b"abc", b"de", None]
    assert answer.unread == answer.messages.unread == 1
    answer.end(OK)
    assert (answer.headers, answer.trailers) == (Metadata([("x-a", "1")]), Metadata([("t-a", "2")]))


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ([(b"grpc-status", b"5"), (b"grpc-message", b"no%20such")], Code.NOT_FOUND, "no such"),
        ([], Code.UNKNOWN, "without a grpc-status"),
    ],
)
def test_the_trailers_say_how_the_call_ended(fields: list[tuple[bytes, bytes]], code: Code, text: str) -> None:
    answer = GrpcResponseReader(1000)
    answer.head(b"200", HEAD)
    with pytest.raises(RpcError, match=text) as caught:
        answer.end(fields)
    assert (caught.value.code, answer.trailers) == (code, EMPTY)


def test_a_status_counts_whatever_a_proxy_made_of_the_head() -> None:
    GrpcResponseReader(1000).head(b"502", [(b"grpc-status", b"5")])


@pytest.mark.parametrize(("status", "head"), [(b"503", HEAD), (b"200", [(b"content-type", b"text/html")]), (b"200", [])])
def test_an_answer_that_is_not_grpc_says_what_it_is(status: bytes, head: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(RpcError, match="the peer does not speak gRPC: HTTP status") as caught:
        GrpcResponseReader(1000).head(status, head)
    assert caught.value.code is (Code.UNAVAILABLE if status == b"503" else Code.UNKNOWN)


def test_a_message_that_is_too_large_is_refused() -> None:
    answer = GrpcResponseReader(1000)
    answer.head(b"200", HEAD)
    with pytest.raises(RpcError, match="larger than the limit of 1000"):
        answer.feed(pack_prefix(0, 1001))


def test_a_unary_call_ends_as_a_stream_of_one_message_does() -> None:
    whole = OneMessageReader(GrpcResponseReader(1000))
    assert not whole.ends_in_body
    whole.head(b"200", HEAD)
    whole.feed(frame(b"abc"))
    assert whole.end(OK) == b"abc"
