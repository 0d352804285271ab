"""The two dialects of REST, and problems."""

import gzip
import json

import pytest
from everything.v1 import everything_pb2 as ep
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from library.v1 import library_pb2 as pb

from tests.everything_service import LIMIT, costly
from towpath._core.context import Reply
from towpath._core.errors import Code, RpcError
from towpath._core.http_bindings import HttpBinding
from towpath._core.metadata import EMPTY, Metadata
from towpath._wire.codec import JSON
from towpath._wire.compression import GZIP, Compression
from towpath._wire.dialect import CostlyMessage
from towpath._wire.rest import Binding, RestStreamDialect, RestUnaryDialect, error_response
from towpath._wire.rest.dialect import RestRequestStreamDialect
from towpath._wire.rest.problem import problem, problem_fields

CREATE = Binding(HttpBinding(method="POST", path="/v1/books", body="book"), pb.CreateBookRequest, pb.CreateBookResponse)
READ = Binding(HttpBinding(method="GET", path="/v1/book:read"), pb.ReadPagesRequest, pb.ReadPagesResponse)
REPLY = Reply()
REPLY.headers = Metadata([("etag", '"1"')])
REPLY.trailers = Metadata([("cost-bin", b"\0")])


def unary(*, limit: int = 100, received: Compression | None = None, answered: Compression | None = None) -> RestUnaryDialect:
    parameters = pb.CreateBookRequest(book_id="7")
    return RestUnaryDialect(CREATE, parameters, limit=limit, request_compression=received, response_compression=answered)


def fed(dialect: RestUnaryDialect, *pieces: bytes) -> pb.CreateBookRequest:
    for piece in pieces:
        dialect.feed(piece)
        assert dialect.next() is None
    assert dialect.unread == sum(map(len, pieces))
    dialect.finish()
    assert dialect.complete()
    message = dialect.next()
    assert isinstance(message, pb.CreateBookRequest)
    assert (dialect.unread, dialect.complete(), dialect.next()) == (0, False, None)
    return message


def test_a_body_may_come_in_pieces_and_compressed():
    expected = pb.CreateBookRequest(book_id="7", book=pb.Book(title="Emma"))
    assert fed(unary(), b'{"title":', b'"Emma"}') == expected
    assert fed(unary(received=GZIP), gzip.compress(b'{"title":"Emma"}')) == expected
    assert fed(unary(received=GZIP)) == pb.CreateBookRequest(book_id="7")


def test_a_body_over_the_limit_is_413():
    dialect = unary(limit=10)
    dialect.feed(bytes(10))
    with pytest.raises(RpcError) as caught:
        dialect.feed(b"x")
    answer = dialect.error_response(caught.value, None)
    assert dict(answer.head.fields)[b":status"] == b"413"
    assert json.loads(answer.body)["code"] == "RESOURCE_EXHAUSTED"


def test_an_answer_is_json_with_everything_of_the_reply_in_its_head():
    answer = unary().whole_response(pb.CreateBookResponse(book=pb.Book(title="Emma")), REPLY)
    assert dict(answer.head.fields) == {b":status": b"200", b"content-type": b"application/json"}
    assert list(answer.fields) == [(b"etag", b'"1"'), (b"cost-bin", b"AA")]
    assert answer.body == b'{"book":{"title":"Emma"}}'


def test_an_answer_is_compressed_where_it_may_be():
    answer = unary(answered=GZIP).whole_response(pb.CreateBookResponse(), None)
    assert list(answer.fields) == [(b"content-encoding", b"gzip")]
    assert gzip.decompress(answer.body) == b"{}"


def test_a_stream_is_lines_and_tells_how_it_failed():
    dialect = RestStreamDialect(READ, pb.ReadPagesRequest(), limit=10, request_compression=None)
    head, fields = dialect.head(REPLY.headers)
    assert dict(head.fields)[b"content-type"] == b"application/x-ndjson"
    assert list(fields) == [(b"etag", b'"1"')]
    assert dialect.message(pb.ReadPagesResponse(number=1)) == b'{"number":1}\n'
    good, bad = dialect.end(None, REPLY.trailers), dialect.end(RpcError(Code.DATA_LOSS, "torn"), EMPTY)
    assert (good.body, good.trailers, bad.trailers) == (b"", None, None)
    assert json.loads(bad.body)["error"]["code"] == "DATA_LOSS"
    assert bad.body.endswith(b"}\n")


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_a_problem(code):
    answer = error_response(RpcError(code, "why", metadata=Metadata([("a", "b")])))
    found = json.loads(answer.body)
    head = dict(answer.head.fields)
    assert head[b"content-type"] == b"application/problem+json"
    assert int(head[b":status"]) == found["status"]
    assert (found["type"], found["code"], found["detail"]) == ("about:blank", code.name, "why")
    assert found["title"]
    assert list(answer.fields) == [(b"a", b"b")]


def test_details_are_json_whether_they_are_packed_or_not():
    info = ErrorInfo(reason="STOLEN", domain="library.example")
    packed = AnyMessage()
    packed.Pack(info)
    unknown = AnyMessage(type_url="type.googleapis.com/no.such.Type", value=b"x")
    known = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "STOLEN", "domain": "library.example"}
    found = problem(RpcError(Code.NOT_FOUND, details=[info, packed, unknown]))
    assert found["details"] == [known, known, {"@type": "type.googleapis.com/no.such.Type"}]
    assert "detail" not in found


def test_when_to_come_again_is_in_the_head_in_whole_seconds():
    error = RpcError(Code.UNAVAILABLE, details=[RetryInfo(retry_delay=Duration(seconds=1, nanos=1)), ErrorInfo()])
    assert list(problem_fields(error)) == [(b"retry-after", b"2")]


def costly_line(line: bytes) -> CostlyMessage:
    """What a method whose requests stream makes of a line that takes long to read."""
    binding = Binding(HttpBinding(method="POST", path="/v1/everything", body="*"), ep.Everything, ep.Everything)
    dialect = RestRequestStreamDialect(binding, ep.Everything(), limit=LIMIT, content_type="", one=True, compressed=False)
    dialect.feed(line + b"\n")
    message = dialect.next()
    assert isinstance(message, CostlyMessage)
    return message


def test_a_line_that_takes_long_to_read_is_read_when_it_is_asked_for():
    assert costly_line(JSON.encode(costly())).read() == costly()


def test_a_line_of_too_many_elements_is_refused_when_it_is_read():
    message = costly_line(b'{"children":[' + b"{}," * 12_000 + b"{}]}")
    with pytest.raises(RpcError) as caught:
        message.read()
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
