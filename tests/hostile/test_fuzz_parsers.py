"""Each parser of what a peer sends or a user writes: for any bytes it returns, or raises what it promises to raise."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from everything.v1.everything_pb2 import Everything
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.budget import fuzzed
from tests.hostile.fuzzing import cut, mutated, mutations_with, seeds
from towpath._app.settings.duration import parse_duration
from towpath._app.settings.server.size import message_limit_of
from towpath._core.context import Context
from towpath._core.errors import RpcError, SetupError
from towpath._core.http_bindings import BindingError, HttpBinding, PathTemplate
from towpath._core.metadata import Metadata
from towpath._core.propagation.fields import PROPAGATED
from towpath._core.propagation.trace import TraceContext, cohort_of
from towpath._transport.client.endpoints.target import Target
from towpath._wire import metadata, timeout
from towpath._wire.codec import JSON, PROTO
from towpath._wire.compression import GRPC_FIELDS, GZIP, negotiate
from towpath._wire.connect.errors import read_end, read_error
from towpath._wire.cors import Cors, CorsOptions
from towpath._wire.grpc import status
from towpath._wire.grpc.framing import MessageReader
from towpath._wire.grpc.web_client import GrpcWebResponseReader
from towpath._wire.hpack import Decoder, HeaderListTooLarge, HpackError
from towpath._wire.rest import Router
from towpath._wire.rest.request_stream import LineReader, PieceReader

LIMIT = 64 * 1024
WORDS = seeds("words")


def envelopes(data: bytes) -> None:
    for compression in (None, GZIP):
        reader = MessageReader(LIMIT, compression)
        for piece in cut(data, [3, 7, 20]):
            reader.feed(piece)
            while reader.next() is not None:
                pass


def web_answer(data: bytes) -> None:
    reader = GrpcWebResponseReader(LIMIT)
    reader.head(b"200", [(b"content-type", b"application/grpc-web+proto"), (b"grpc-encoding", b"gzip")])
    for piece in cut(data, [3, 7, 20]):
        reader.feed(piece)
    while reader.next() is not None:
        pass
    reader.end([])


def hpack(data: bytes) -> None:
    decoder = Decoder(max_table_size=4096, max_list_size=16_384)
    for _ in range(2):  # the table is what the first block has made of it
        decoder.decode(data)


def compressed(data: bytes) -> None:
    GZIP.decompress(data, LIMIT)


def grpc_status(data: bytes) -> None:
    for fields in ([(b"grpc-status", data)], [(b"grpc-status", b"5"), (b"grpc-message", data), (b"grpc-status-details-bin", data)]):
        status.decode(fields)


def grpc_timeout(data: bytes) -> None:
    assert timeout.decode(data) >= 0


def trace(data: bytes) -> None:
    cohort_of(data)
    for received in (
        TraceContext.received(data),
        TraceContext.received(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", data.decode("latin-1")),
    ):
        assert len(received.trace_id) == 32
        assert 0 <= received.cohort < 128
        assert len(received.child().traceparent) == 55


def propagated(data: bytes) -> None:
    for field in PROPAGATED:
        value = field.parse(data)
        if value is not None and value != field.absent:
            assert field.parse(field.render(value)) == value


def binary_metadata(data: bytes) -> None:
    metadata.decode([(b"a-bin", data), (b"b", data)])


def encodings(data: bytes) -> None:
    negotiate(GRPC_FIELDS, {b"grpc-encoding": data, b"grpc-accept-encoding": data})


def template(data: bytes) -> None:
    text = data.decode("latin-1")
    PathTemplate.parse(text)
    Router[str]().add(HttpBinding(method="GET", path=text), "it")


def path(data: bytes) -> None:
    router: Router[str] = Router()
    for known in ("/v1/{name=shelves/*/books/*}:read", "/v1/archive/{path=**}:undo", "/v1/{a}/{b.c}/d"):
        router.add(HttpBinding(method="GET", path=known), known)
    router.match("GET", data.decode("latin-1"))


def json(data: bytes) -> None:
    message = JSON.decode(data, Everything, LIMIT)
    assert JSON.encode(JSON.decode(JSON.encode(message), Everything, LIMIT)) == JSON.encode(message)


def protobuf(data: bytes) -> None:
    PROTO.decode(data, Everything, LIMIT)


def connect_error(data: bytes) -> None:
    read_error(data, Metadata())
    read_end(data)


def target(data: bytes) -> None:
    Target.parse(data.decode("latin-1"), "a test")


def duration(data: bytes) -> None:
    parse_duration(data.decode("latin-1"), "a test")


def size(data: bytes) -> None:
    message_limit_of(data.decode("latin-1"), "a test")


def lines(data: bytes) -> None:
    for reader in (LineReader(100), PieceReader(100)):
        for piece in cut(data, [3, 7, 20]):
            reader.feed(piece)
            while reader.next() is not None:
                pass
        reader.finish()
        while reader.next() is not None:
            pass


def preflight(data: bytes) -> None:
    cors = Cors(CorsOptions(origins=("https://shop.example",), headers=("*",)))
    cors.preflight({b"origin": data, b"access-control-request-method": data, b"access-control-request-headers": data})
    cors.fields(data)


def origin(data: bytes) -> None:
    CorsOptions(origins=(data.decode("latin-1"),))


def conditions(data: bytes) -> None:
    for name in ("if-match", "if-none-match"):
        ctx = Context("a/B", metadata=Metadata.received(((name, data.decode("latin-1")),)))
        ctx.http.etag("7")
        ctx.http.check_match("7")


class Parser(NamedTuple):
    """One parser, with the file of its seeds and what it may raise."""

    parse: Callable[[bytes], Any]
    corpus: str
    raises: tuple[type[Exception], ...] = ()


PARSERS = {
    parser.parse.__name__: parser
    for parser in (
        Parser(hpack, "hpack", (HpackError, HeaderListTooLarge)),
        Parser(envelopes, "envelopes", (RpcError,)),
        Parser(web_answer, "envelopes", (RpcError,)),
        Parser(compressed, "envelopes", (RpcError,)),
        Parser(protobuf, "envelopes", (RpcError,)),
        Parser(json, "json", (RpcError,)),
        Parser(connect_error, "json", (RpcError,)),
        Parser(template, "templates", (BindingError,)),
        Parser(path, "templates", (RpcError,)),
        Parser(grpc_status, "fields"),
        Parser(grpc_timeout, "fields", (ValueError,)),
        Parser(trace, "fields"),
        Parser(propagated, "fields"),
        Parser(binary_metadata, "fields", (RpcError,)),
        Parser(encodings, "fields"),
        Parser(target, "fields", (SetupError,)),
        Parser(duration, "fields", (SetupError,)),
        Parser(size, "fields", (SetupError,)),
        Parser(lines, "json", (RpcError,)),
        Parser(preflight, "fields"),
        Parser(origin, "fields", (SetupError,)),
        Parser(conditions, "fields", (RpcError,)),
    )
}


def inputs(corpus: str) -> Iterator[st.SearchStrategy[bytes]]:
    yield st.builds(mutated, st.sampled_from(seeds(corpus)), mutations_with(WORDS))
    yield st.binary(max_size=200)
    yield st.builds(bytes.__mul__, st.sampled_from(WORDS), st.integers(1, 2000))


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_what_it_promises(name: str) -> None:
    parser = PARSERS[name]

    @fuzzed(150)
    @given(st.one_of(*inputs(parser.corpus)))
    def attempt(data: bytes) -> None:
        try:
            parser.parse(data)
        except parser.raises:
            return

    attempt()
