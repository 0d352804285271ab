"""gRPC-Web's text form and its trailers; calls of a real client are in `tests/conformance/test_connectrpc_clients.py`."""

from base64 import b64decode, b64encode

import pytest
from echo.v1 import echo_pb2 as pb

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire.codec import PROTO
from towpath._wire.compression import GZIP, Compression
from towpath._wire.grpc.framing import frame
from towpath._wire.grpc.web import GrpcWebDialect
from towpath._wire.http.fields import Template

HEAD = Template((b":status", b"200"), (b"content-type", b"application/grpc-web-text+proto"))


def text(compression: Compression | None = None) -> GrpcWebDialect:
    return GrpcWebDialect(pb.SayRequest, PROTO, HEAD, limit=1000, request_compression=None, response_compression=compression, text=True)


@pytest.mark.parametrize("size", [1, 3, 4, 1000])
def test_base64_may_be_cut_anywhere_and_padded_within(size: int) -> None:
    message = frame(pb.SayRequest(id="abcd").SerializeToString())
    body = b64encode(message[:4]) + b64encode(message[4:6]) + b64encode(message[6:])
    dialect = text()
    for start in range(0, len(body), size):
        dialect.feed(body[start : start + size])
    assert dialect.complete()
    dialect.finish()
    assert dialect.next() == pb.SayRequest(id="abcd")


def test_what_is_not_base64_is_refused() -> None:
    with pytest.raises(RpcError, match="not base64"):
        text().feed(b"****")
    dialect = text()
    dialect.feed(b"AA")
    with pytest.raises(RpcError, match="within a group of base64"):
        dialect.finish()


def test_trailers_are_the_last_frame() -> None:
    reply = Reply()
    reply.trailers = Metadata([("a", "b")])
    answer = text().error_response(RpcError(Code.ABORTED, "no"), reply)
    block = b"grpc-status: 10\r\ngrpc-message: no\r\na: b\r\n"
    assert b64decode(answer.body) == b"\x80" + len(block).to_bytes(4, "big") + block
    assert b64decode(text().error_response(RpcError(Code.ABORTED), None).body).endswith(b"grpc-status: 10\r\n")
    ending = text().end(None, EMPTY)
    assert (b64decode(ending.body)[5:], ending.trailers) == (b"grpc-status: 0\r\n", None)


def test_a_compressed_answer_says_so() -> None:
    assert list(text(GZIP).head(EMPTY)[1]) == [(b"grpc-encoding", b"gzip")]
