"""Connect's answers as a client reads them, where a server gets them wrong; the right ones are in
`tests/conformance/test_client_protocols.py`."""

import json

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._wire.compression import GZIP
from towpath._wire.connect.client import (
    ConnectStreamResponseReader,
    ConnectUnaryResponseReader,
    stream_head_fields,
    unary_body,
    unary_head_fields,
)
from towpath._wire.connect.errors import CODES, HTTP_STATUS, end_body, error_body, read_end, read_error
from towpath._wire.grpc.framing import frame, pack_prefix

PROTO = (b"content-type", b"application/proto")
JSON = (b"content-type", b"application/json; charset=utf-8")
STREAM = (b"content-type", b"application/connect+proto")
ENCODED = (b"content-encoding", b"gzip")
LIMIT = 1000
ERRORS = st.builds(
    RpcError,
    st.sampled_from(Code),
    st.text(),
    st.lists(st.builds(ErrorInfo, reason=st.text(), domain=st.text())),
    metadata=st.lists(st.tuples(st.just("x-a"), st.from_regex(r"[a-z]{1,9}", fullmatch=True))).map(Metadata),
)


def whole(status: bytes, fields: list[tuple[bytes, bytes]], *pieces: bytes) -> bytes:
    answer = ConnectUnaryResponseReader(LIMIT)
    answer.head(status, fields)
    for piece in pieces:
        answer.feed(piece)
    return answer.end(())


def fault(status: bytes, fields: list[tuple[bytes, bytes]], *pieces: bytes) -> RpcError:
    with pytest.raises(RpcError) as caught:
        whole(status, fields, *pieces)
    return caught.value


@given(ERRORS)
def test_an_error_comes_back_as_it_was_sent(error: RpcError) -> None:
    for got in (read_error(error_body(error), error.metadata), read_end(end_body(error, error.metadata))[0]):
        assert got is not None
        assert (got.code, got.message, got.details, got.metadata) == (error.code, error.message, error.details, error.metadata)


def test_an_answer_may_come_in_pieces_compressed_or_not() -> None:
    assert whole(b"200", [PROTO], b"ab", b"", b"c") == b"abc"
    assert whole(b"200", [PROTO, ENCODED], GZIP.compress(b"abc")) == b"abc"
    assert whole(b"200", [PROTO, ENCODED]) == b""


def test_trailers_are_those_of_the_heads_fields_that_say_so() -> None:
    answer = ConnectUnaryResponseReader(LIMIT)
    answer.head(b"200", [PROTO, (b"x-a", b"1"), (b"trailer-x-b-bin", b"AP8")])
    assert (answer.headers, answer.trailers) == (Metadata([("x-a", "1")]), Metadata([("x-b-bin", b"\0\xff")]))


@pytest.mark.parametrize("code", list(Code))
def test_errors_of_every_code(code: Code) -> None:
    error = fault(b"%d" % HTTP_STATUS[code], [JSON, ENCODED, (b"trailer-a", b"1")], GZIP.compress(error_body(RpcError(code, "no ☺"))))
    assert (error.code, error.message, error.metadata) == (code, "no ☺", Metadata([("a", "1")]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Code.UNAVAILABLE),
        (b"null", Code.UNAVAILABLE),
        (b"[]", Code.UNAVAILABLE),
        (b"{}", Code.UNAVAILABLE),
        (b'{"code": "sad"}', Code.UNAVAILABLE),
        (b'{"code": 5}', Code.UNAVAILABLE),
        (b'{"code": "\xff"}', Code.UNAVAILABLE),
        (b'{"code": "canceled", "message": null, "details": null, "more": 1}', Code.CANCELLED),
    ],
)
def test_an_error_that_cannot_be_read_has_the_code_of_its_status(body: bytes, expected: Code) -> None:
    assert fault(b"503", [JSON], body).code is expected


@pytest.mark.parametrize(
    ("status", "field", "code"),
    [
        (b"404", (b"content-type", b"text/html"), Code.UNIMPLEMENTED),
        (b"500", (b"x", b"1"), Code.UNKNOWN),
        (b"200", (b"content-type", b"text/html"), Code.UNKNOWN),
    ],
)
def test_what_is_not_connect_is_told_as_such(status: bytes, field: tuple[bytes, bytes], code: Code) -> None:
    error = fault(status, [field], error_body(RpcError(Code.ABORTED)))
    assert error.code is code
    assert error.message.startswith("the peer does not speak Connect: HTTP status")


def test_an_answer_that_is_too_large_is_refused_at_the_first_byte_too_many() -> None:
    assert len(whole(b"200", [PROTO], bytes(LIMIT))) == LIMIT
    assert fault(b"200", [PROTO], bytes(LIMIT), b"\0").code is Code.RESOURCE_EXHAUSTED
    assert fault(b"200", [PROTO, ENCODED], GZIP.compress(bytes(LIMIT + 1))).code is Code.RESOURCE_EXHAUSTED


def test_details_that_cannot_be_read_are_left_out() -> None:
    info = ErrorInfo(reason="BECAUSE")
    details = [
        {"type": "google.rpc.ErrorInfo", "value": "***"},
        {"type": "google.rpc.ErrorInfo", "value": "/w"},
        {"type": "a.B", "value": "AP8="},
        {"type": "google.rpc.ErrorInfo", "value": "CgdCRUNBVVNF"},
    ]
    error = read_error(json.dumps({"code": "aborted", "details": details}).encode(), Metadata())
    assert error is not None
    assert error.details == (AnyMessage(type_url="type.googleapis.com/a.B", value=b"\0\xff"), info)


DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
"""JSON that no parser reads which calls itself for each array."""


def test_an_error_that_is_nested_too_deep_is_none() -> None:
    assert read_error(DEEP, Metadata()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b'{"metadata": 1}', b'{"metadata": {"a": "b"}}', b'{"error": {"code": "\xff"}}', DEEP])
def test_a_last_message_that_is_none_is_internal(body: bytes) -> None:
    with pytest.raises(RpcError, match="INTERNAL: the last message of a stream is not Connect's"):
        read_end(body)


def test_a_streams_error_without_a_code_is_unknown() -> None:
    error, trailers = read_end('{"error": {"message": "no"}, "metadata": {"X-A": ["1", "2"], "ü": ["3"]}}'.encode())
    assert error is not None
    assert (error.code, error.message, trailers) == (Code.UNKNOWN, "no", Metadata([("x-a", "1"), ("x-a", "2")]))


@pytest.mark.parametrize(
    ("name", "value"), [("x\r\ny", "1"), ("x", "1\r\nset-cookie: a"), (":status", "1"), ("", "1"), ("a b", "1"), ("x", "\0")]
)
def test_what_no_header_can_carry_is_not_read_from_a_body(name: str, value: str) -> None:
    _, trailers = read_end(json.dumps({"metadata": {name: [value], "y": [" 2 "]}}).encode())
    assert list(trailers) == [("y", "2")]


def test_a_stream_ends_with_its_last_message() -> None:
    answer = ConnectStreamResponseReader(LIMIT)
    answer.head(b"200", [STREAM, (b"connect-content-encoding", b"gzip"), (b"x-a", b"1")])
    body = end_body(None, Metadata([("t-a", "2")]))
    answer.feed(frame(b"abc", GZIP) + pack_prefix(2, len(body)) + body)
    answer.end(())
    assert (answer.next(), answer.headers, answer.trailers) == (b"abc", Metadata([("x-a", "1")]), Metadata([("t-a", "2")]))


@pytest.mark.parametrize("flag", [1, 3], ids=["message", "end"])
def test_a_compressed_message_needs_connects_own_field(flag: int) -> None:
    answer = ConnectStreamResponseReader(LIMIT)
    answer.head(b"200", [STREAM, (b"grpc-encoding", b"gzip")])

    def read() -> None:
        answer.feed(pack_prefix(flag, 0))
        answer.next()

    with pytest.raises(RpcError, match="INTERNAL: a message is compressed, but connect-content-encoding names no compression"):
        read()


def test_a_stream_without_its_last_message_is_internal() -> None:
    answer = ConnectStreamResponseReader(LIMIT)
    answer.head(b"200", [STREAM])
    with pytest.raises(RpcError, match="INTERNAL: the server ended the stream without its last message"):
        answer.end(())


@pytest.mark.parametrize(("status", "content_type"), [(b"404", STREAM[1]), (b"200", b"text/html")])
def test_a_stream_that_is_not_connects_is_told_as_such(status: bytes, content_type: bytes) -> None:
    with pytest.raises(RpcError, match="the peer does not speak Connect"):
        ConnectStreamResponseReader(LIMIT).head(status, [(b"content-type", content_type)])


def test_requests_announce_their_compression() -> None:
    assert (unary_body(b"abc", None), unary_body(b"abc", GZIP)) == (b"abc", GZIP.compress(b"abc"))
    assert ENCODED in unary_head_fields(GZIP)
    assert ENCODED not in unary_head_fields(None)
    assert (b"connect-content-encoding", b"gzip") in stream_head_fields(GZIP)
    assert (b"connect-content-encoding", b"gzip") not in stream_head_fields(None)


def test_every_code_has_a_name_of_its_own() -> None:
    assert len(set(CODES.values())) == len(Code)
