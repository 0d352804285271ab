"""The keys that the protocols and towpath own: hidden wherever fields become an application's metadata, and every name that is written."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath._core.errors import Code, RpcError
from towpath._core.metadata import EMPTY, FALLBACK, OWNED, OWNED_PREFIXES, Metadata
from towpath._wire import connect, grpc, http2, metadata
from towpath._wire.connect.client import ConnectStreamResponseReader, ConnectUnaryResponseReader
from towpath._wire.connect.errors import read_end
from towpath._wire.grpc import status
from towpath._wire.grpc.framing import pack_prefix
from towpath._wire.grpc.web_client import GrpcWebResponseReader
from towpath._wire.http2 import fields as http2_fields
from towpath._wire.propagation import Inherited

Fields = list[tuple[bytes, bytes]]

NAMES = sorted({*OWNED, *(prefix + "anything" for prefix in OWNED_PREFIXES)})
"""The whole table, and a key for each of its prefixes."""

# Names that stand in the head of an answer and are an application's to set as well, since they are HTTP's word on the answer. `allow` and
# `accept-post` say why there was no call, so no application's metadata stands beside them; `no-store` wins over any other cache-control.
# Two of a request that an application reads: `cookie`, which HTTP/2 may send in crumbs, and `origin`. And those by which pages of other
# origins are let in, which an application may set where `[service.cors]` is not.
SHARED: Final = {
    *("accept-post", "allow", "cache-control", "cookie", "origin", "retry-after", "vary"),
    *("access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods"),
    *("access-control-allow-origin", "access-control-expose-headers", "access-control-max-age"),
}

OF_PARTS: Final = {"content-disposition", "content-transfer-encoding"}
"""Headers of the parts of a form, which are no header fields of the request."""

VALUES: Final = {"http", "identity"}
"""What stands first in a pair and is no name."""


def of_a_request(fields: Fields) -> Metadata:
    return Inherited(fields).metadata


def of_an_error(fields: Fields) -> Metadata:
    error = status.decode([*(field for field in fields if field[0] != b"grpc-status"), (b"grpc-status", b"5")])
    assert error is not None
    return error.metadata


def of_connects_head(fields: Fields) -> Metadata:
    answer = ConnectUnaryResponseReader(1000)
    answer.head(b"200", [(b"content-type", b"application/proto"), *(field for field in fields if not field[0].startswith(b"content-"))])
    assert answer.trailers is EMPTY or all(name.startswith(b"trailer-") for name, _ in fields)
    return answer.headers


def of_connects_trailers(fields: Fields) -> Metadata:
    answer = ConnectUnaryResponseReader(1000)
    answer.head(b"200", [(b"content-type", b"application/proto"), *((b"trailer-" + name, value) for name, value in fields)])
    return answer.trailers


def of_connects_error(fields: Fields) -> Metadata:
    answer = ConnectUnaryResponseReader(1000)
    answer.head(b"404", [(b"content-type", b"application/json"), *((b"trailer-" + name, value) for name, value in fields)])
    answer.feed(b'{"code": "not_found"}')
    with pytest.raises(RpcError) as caught:
        answer.end(())
    assert caught.value.code is Code.NOT_FOUND
    return caught.value.metadata


def of_connects_stream(fields: Fields) -> Metadata:
    answer = ConnectStreamResponseReader(1000)
    answer.head(b"200", [(b"content-type", b"application/connect+proto"), *(field for field in fields if field[0] != b"content-type")])
    return answer.headers


def of_connects_last_message(fields: Fields) -> Metadata:
    error, trailers = read_end(json.dumps({"metadata": {name.decode(): [value.decode()] for name, value in fields}}).encode())
    assert error is None
    return trailers


def of_grpc_webs_head(fields: Fields) -> Metadata:
    answer = GrpcWebResponseReader(1000)
    kept = [field for field in fields if field[0] not in (b"content-type", b"grpc-status")]
    answer.head(b"200", [(b"content-type", b"application/grpc-web+proto"), *kept])
    return answer.headers


def of_grpc_webs_last_frame(fields: Fields) -> Metadata:
    answer = GrpcWebResponseReader(1000)
    answer.head(b"200", [(b"content-type", b"application/grpc-web+proto")])
    block = b"".join(b"%s: %s\r\n" % field for field in [*fields, (b"grpc-status", b"0")])
    answer.feed(pack_prefix(0x80, len(block)) + block)
    answer.end(())
    return answer.trailers


WHERE = [
    metadata.decode,
    of_a_request,
    of_an_error,
    of_connects_head,
    of_connects_trailers,
    of_connects_error,
    of_connects_stream,
    of_connects_last_message,
    of_grpc_webs_head,
    of_grpc_webs_last_frame,
]


@pytest.mark.parametrize("read", WHERE)
@pytest.mark.parametrize("name", NAMES)
def test_no_owned_key_is_an_applications(read: Callable[[Fields], Metadata], name: str) -> None:
    value = b"2" if name in ("content-length", "towpath-tenant", "idempotency-key") else b"0"
    assert list(read([(name.encode(), value)])) == []


@pytest.mark.parametrize("read", WHERE)
def test_what_is_an_applications_is_read_everywhere(read: Callable[[Fields], Metadata]) -> None:
    names = ["authorization", "cookie", "accept", "cache-control", "retry-after", "etag", FALLBACK]
    assert list(read([(name.encode(), b"1") for name in names])) == [(name, "1") for name in names]


@given(st.lists(st.tuples(st.from_regex(r"[0-9a-z_.-]{1,20}", fullmatch=True) | st.sampled_from([*NAMES, FALLBACK]), st.just("1"))))
def test_metadata_that_were_received_may_be_sent_on(pairs: list[tuple[str, str]]) -> None:
    received = metadata.decode([(name.encode(), value.encode()) for name, value in pairs if not name.endswith("-bin")])
    assert Metadata(received) == received


# Which names the code itself writes and reads, from its text: a name that is missing in the table could be overridden by an application.

_NAME: Final = re.compile(rb"[a-z][a-z0-9-]*[a-z0-9]")
_TEXT: Final = re.compile(rb"(?:^|\n)([a-z][a-z0-9-]+): ")


def _bytes(node: ast.AST) -> Iterator[bytes]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        yield node.value
    elif isinstance(node, ast.Set | ast.Tuple | ast.List):
        for element in node.elts:
            yield from _bytes(element)


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "name"


def _named(node: ast.AST) -> Iterator[bytes]:
    match node:
        case ast.Tuple(elts=[first, second]) if not isinstance(second, ast.Constant) or isinstance(second.value, bytes):
            yield from _bytes(first)  # a field
        case ast.Compare(left=left, comparators=others) if _is_name(left):
            for other in others:
                yield from _bytes(other)
        case ast.Call(func=ast.Name(id="literal" | "literal_prefix"), args=[first, *_]):
            yield from _bytes(first)
        case ast.Call(func=ast.Attribute(attr="get", value=ast.Name(id="found" | "fields")), args=[first, *_]):
            yield from _bytes(first)
        case ast.keyword(arg="sent" | "accepted", value=value):
            yield from _bytes(value)
        case _:
            pass


def names_in(source: str) -> set[str]:
    """The names of fields in a module's text."""
    found: set[bytes] = set()
    for node in ast.walk(ast.parse(source)):
        found.update(name for name in _named(node) if _NAME.fullmatch(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
            found.update(_TEXT.findall(node.value))
    return {name.decode() for name in found}


def test_every_name_that_is_written_or_read_is_in_the_table() -> None:
    package = Path(grpc.__file__).parents[2]
    modules = [path for part in ("_wire", "_transport") for path in (package / part).rglob("*.py") if path.name != "static_table.py"]
    assert {Path(module.__file__) for module in (connect, grpc, http2)} < set(modules)
    found = {name for path in modules for name in names_in(path.read_text(encoding="utf-8"))}
    assert {"grpc-status", "content-length", "transfer-encoding", "traceparent", "x-grpc-web", "content-encoding", "allow"} < found
    outside = {name for name in found if name not in OWNED and not name.startswith(OWNED_PREFIXES)}
    assert outside - VALUES - OF_PARTS == SHARED


def test_a_name_that_is_missing_in_the_table_is_found() -> None:
    assert names_in('literal(b"a-a", b"1"); (b"b-b", value); found.get(b"c-c"); lines = b"HTTP/1.1 200 OK\\r\\nd-d: %d\\r\\n"') == {
        "a-a",
        "b-b",
        "c-c",
        "d-d",
    }
    assert names_in('if name == b"e-e" or name in (b"f-f", b"g-g"): made(sent=b"h-h")') == {"e-e", "f-f", "g-g", "h-h"}


def test_what_speaks_of_one_connection_or_frames_a_message_is_in_the_table() -> None:
    special = http2_fields.CONNECTION_SPECIFIC | http2_fields.OF_THE_HEAD  # HTTP/2's own lists, which this table must hold
    of_pages = {"origin", "access-control-request-method", "access-control-request-headers"}  # which an application may read
    assert {name.decode() for name in special} - of_pages <= {*OWNED, "grpc-encoding", "grpc-accept-encoding"}
