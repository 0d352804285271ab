"""Connect's bodies and queries, where a client gets them wrong; the right ones are in `tests/conformance/test_connectrpc_clients.py`."""

import json
from base64 import urlsafe_b64encode
from urllib.parse import quote

import pytest
from echo.v1 import echo_pb2 as pb
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo

from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire.codec import JSON, PROTO
from towpath._wire.compression import GZIP, Compression
from towpath._wire.connect import ConnectStreamDialect, ConnectUnaryDialect, GetRequest
from towpath._wire.connect.errors import CODES, HTTP_STATUS, end_body, error_object
from towpath._wire.grpc.framing import frame

REPLY = Reply()
REPLY.headers = Metadata([("head-a", "1")])
REPLY.trailers = Metadata([("trail-a-bin", b"\0\xff")])


def unary(*, limit: int = 100, received: Compression | None = None, answered: Compression | None = None) -> ConnectUnaryDialect:
    return ConnectUnaryDialect(pb.SayRequest, JSON, limit=limit, request_compression=received, response_compression=answered)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", Code.INVALID_ARGUMENT),
        ("encoding=json", Code.INVALID_ARGUMENT),
        ("encoding=xml&message=", Code.INVALID_ARGUMENT),
        ("encoding=json&message={}&compression=br", Code.UNIMPLEMENTED),
        ("encoding=proto&message=a&base64=1", Code.INVALID_ARGUMENT),
        ("encoding=proto&message=%2A%2A%2A%2A&base64=1", Code.INVALID_ARGUMENT),
        ("&".join(f"x{number}=1" for number in range(20)), Code.INVALID_ARGUMENT),
    ],
)
def test_a_query_that_is_not_connects_is_refused(query: str, code: Code) -> None:
    with pytest.raises(RpcError) as caught:
        GetRequest.parse(query)
    assert caught.value.code is code


def test_a_query_says_the_message_and_its_encoding() -> None:
    assert GetRequest.parse('encoding=json&connect=v1&message={"id":"%C3%BC"}') == GetRequest(
        codec=JSON, raw='{"id":"ü"}'.encode(), compression=None
    )
    zipped = GZIP.compress(b"x")
    text = quote(urlsafe_b64encode(zipped))
    assert GetRequest.parse(f"encoding=proto&base64=1&compression=gzip&message={text}") == GetRequest(
        codec=PROTO, raw=zipped, compression=GZIP
    )


def test_a_body_is_one_message_whole() -> None:
    dialect = unary()
    for piece in (b'{"id"', b':"a"}'):
        dialect.feed(piece)
        assert not dialect.complete()
        assert dialect.next() is None
    assert dialect.unread == 10
    dialect.finish()
    assert dialect.next() == pb.SayRequest(id="a")
    assert (dialect.unread, dialect.next()) == (0, None)


@pytest.mark.parametrize(
    ("body", "gzip", "code"),
    [
        (b"{", False, Code.INVALID_ARGUMENT),
        (b'{"id":1}', False, Code.INVALID_ARGUMENT),
        (b"{}", True, Code.INTERNAL),
        (GZIP.compress(b"{}" + bytes(1000)), True, Code.RESOURCE_EXHAUSTED),
        (GZIP.compress(b"{}")[:-1], True, Code.INTERNAL),
    ],
)
def test_a_body_that_is_no_message_is_refused(body: bytes, gzip: bool, code: Code) -> None:
    dialect = unary(received=GZIP if gzip else None)
    dialect.feed(body)
    dialect.finish()
    with pytest.raises(RpcError) as caught:
        dialect.next()
    assert caught.value.code is code


def test_a_body_may_not_be_larger_than_the_limit() -> None:
    dialect = unary()
    dialect.feed(bytes(100))
    with pytest.raises(RpcError) as caught:
        dialect.feed(b"x")
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_the_answer_has_its_metadata_in_its_head() -> None:
    answer = unary(answered=GZIP).whole_response(pb.SayResponse(id="a"), REPLY)
    assert answer.head.fields == ((b":status", b"200"), (b"content-type", b"application/json"))
    assert list(answer.fields) == [(b"content-encoding", b"gzip"), (b"head-a", b"1"), (b"trailer-trail-a-bin", b"AP8")]
    assert unary(answered=GZIP).whole_response(pb.SayResponse(), None).fields == [(b"content-encoding", b"gzip")]
    plain = unary().whole_response(pb.SayResponse(id="a"), None)
    assert (list(plain.fields), plain.body) == ([], b'{"id":"a"}')


def test_every_code_has_a_name_and_a_status() -> None:
    assert set(CODES) == set(HTTP_STATUS) == set(Code)
    refusal = unary().error_response(RpcError(Code.CANCELLED, "no", metadata=Metadata([("a", "b")])), None)
    assert refusal.head.fields[0] == (b":status", b"499")
    assert (list(refusal.fields), refusal.body) == ([(b"trailer-a", b"b")], b'{"code":"canceled","message":"no"}')


def test_details_carry_their_type_and_bytes() -> None:
    info = ErrorInfo(reason="R")
    packed = AnyMessage()
    packed.Pack(info)
    expected = {"type": "google.rpc.ErrorInfo", "value": "CgFS"}
    assert error_object(RpcError(Code.ABORTED, details=[info, packed])) == {"code": "aborted", "details": [expected, expected]}


def test_a_stream_ends_with_its_error_and_trailers() -> None:
    assert end_body(None, EMPTY) == b"{}"
    assert json.loads(end_body(RpcError(Code.ABORTED), Metadata([("a", "1"), ("a", "2")]))) == {
        "error": {"code": "aborted"},
        "metadata": {"a": ["1", "2"]},
    }


def test_a_stream_of_requests_may_not_end_within_one() -> None:
    dialect = ConnectStreamDialect(pb.SayRequest, JSON, limit=100, request_compression=None, response_compression=GZIP)
    dialect.feed(frame(b"{}") + b"\0")
    assert dialect.unread == 8
    dialect.finish()
    assert dialect.next() == pb.SayRequest()
    with pytest.raises(RpcError) as caught:
        dialect.finish()
    assert caught.value.code is Code.INVALID_ARGUMENT
    head, fields = dialect.head(EMPTY)
    assert (head.fields[1], list(fields)) == ((b"content-type", b"application/connect+json"), [(b"connect-content-encoding", b"gzip")])
    refusal = dialect.error_response(RpcError(Code.ABORTED), REPLY)
    assert b'"trail-a-bin":["AP8"]' in refusal.body
    assert dialect.error_response(RpcError(Code.ABORTED), None).body.endswith(b'{"error":{"code":"aborted"}}')
