"""The registry of protocols, and what each of them makes of the heads of requests."""

from collections import Counter
from typing import Any

import pytest
from echo.v1.echo_towpath import SAY, SLEEP
from library.v1.library_towpath import GET_BOOK
from stream.v1.stream_towpath import REPEAT

from tests.echo_service import Echo
from tests.library_service import Library
from tests.stream_service import Streams
from towpath._core.service import MethodSpec
from towpath._wire.codec import JSON, PROTO, BodyCodec
from towpath._wire.dialect import WholeResponse
from towpath._wire.http.fields import REQUEST, Section
from towpath._wire.protocol import DialectFactory, MethodTable
from towpath._wire.protocols import CLIENT_HALVES, PROTOCOLS

METHODS = MethodTable(service.spec for service in (Echo(), Library(), Streams()))
SERVER_HALVES = {protocol.name: protocol.server(METHODS) for protocol in PROTOCOLS}

BOOK = "/v1/shelves/1/books/2"

CALLS: dict[str, tuple[str, MethodSpec[Any, Any], BodyCodec]] = {
    f"POST {SAY.path} application/grpc": ("grpc", SAY, PROTO),
    f"POST {SAY.path}?a=b application/grpc+json": ("grpc", SAY, JSON),
    f"POST {REPEAT.path} application/grpc+proto": ("grpc", REPEAT, PROTO),
    f"POST {SAY.path} application/grpc-web": ("grpc-web", SAY, PROTO),
    f"POST {REPEAT.path} application/grpc-web-text+json": ("grpc-web", REPEAT, JSON),
    f"POST {SAY.path} application/json": ("connect", SAY, JSON),
    f"POST {SAY.path} application/proto": ("connect", SAY, PROTO),
    f"POST {REPEAT.path} application/connect+json": ("connect", REPEAT, JSON),
    f"GET {SAY.path}?encoding=json&message=%7B%7D ": ("connect", SAY, JSON),
    f"GET {BOOK} ": ("rest", GET_BOOK, JSON),
    f"HEAD {BOOK} ": ("rest", GET_BOOK, JSON),
}

ERRORS = {
    "POST /no.Body/Say application/grpc": ("grpc", b"200"),
    f"POST {SAY.path} application/grpc+thrift": ("grpc", b"200"),
    "POST /no.Body/Say application/grpc-web": ("grpc-web", b"200"),
    f"POST {SAY.path} application/grpc-web+thrift": ("grpc-web", b"200"),
    f"GET {SAY.path} ": ("connect", b"400"),
    "GET /v1/nothing ": ("rest", b"404"),
    f"DELETE {BOOK}:read ": ("rest", b"405"),
    "POST /v1/shelves/1/books text/html": ("rest", b"415"),
}

NOBODYS = [
    f"POST {SAY.path} text/html",
    f"POST {REPEAT.path} application/json",
    f"POST {SAY.path} application/connect+proto",
    f"PUT {SAY.path} application/grpc",
    f"GET {SLEEP.path}?encoding=json&message=%7B%7D ",
    "GET /echo.v1.EchoService/Shout ",
    "OPTIONS * ",
]


def resolved(request: str) -> dict[str, DialectFactory | WholeResponse]:
    """What the protocols say to a request's method of HTTP, its path and its content type, without those that do not know it."""
    method, path, content_type = request.split(" ")
    pseudo = {b":method": method.encode(), b":path": path.encode()}
    head = Section(REQUEST, pseudo, ((b"content-type", content_type.encode()),), -1)
    found = {name: server_half.resolve(head, content_type.encode()) for name, server_half in SERVER_HALVES.items()}
    return {name: answer for name, answer in found.items() if answer is not None}


def test_each_protocol_has_a_name_and_content_types_of_its_own() -> None:
    assert len(SERVER_HALVES) == len(PROTOCOLS)
    counted = Counter(content_type for protocol in PROTOCOLS for content_type in protocol.content_types)
    assert set(counted.values()) == {1}


def test_clients_call_in_every_protocol_but_rest() -> None:
    assert list(CLIENT_HALVES) == [protocol.name for protocol in PROTOCOLS if protocol.name != "rest"]


@pytest.mark.parametrize("request_", CALLS)
def test_one_protocol_alone_knows_the_method_that_a_head_asks_for(request_: str) -> None:
    name, method, codec = CALLS[request_]
    [(found, dialects)] = resolved(request_).items()
    assert isinstance(dialects, DialectFactory)
    assert (found, dialects.method, dialects.codec) == (name, method, codec)


@pytest.mark.parametrize("request_", ERRORS)
def test_what_is_wrong_with_a_head_is_told_by_the_protocol_that_knows_it(request_: str) -> None:
    name, status = ERRORS[request_]
    [(found, answer)] = resolved(request_).items()
    assert isinstance(answer, WholeResponse)
    assert (found, answer.head.fields[0]) == (name, (b":status", status))


@pytest.mark.parametrize("request_", NOBODYS)
def test_a_head_that_no_protocol_knows_is_left_to_the_server(request_: str) -> None:
    assert resolved(request_) == {}


def test_without_bindings_rest_knows_no_head() -> None:
    [rest] = [protocol for protocol in PROTOCOLS if protocol.name == "rest"]
    head = Section(REQUEST, {b":method": b"GET", b":path": BOOK.encode()}, (), -1)
    assert rest.server(MethodTable([Echo().spec])).resolve(head, b"") is None


def test_an_error_of_grpc_comes_before_one_of_rest() -> None:
    assert list(resolved("POST /nobody/Say application/grpc")) == ["grpc", "rest"]


def test_a_protocol_without_bindings_has_no_path_but_those_of_methods() -> None:
    assert not SERVER_HALVES["grpc"].has(b"POST", BOOK.encode())
    assert SERVER_HALVES["rest"].has(b"GET", BOOK.encode())
    assert not SERVER_HALVES["rest"].has(b"POST", b"/library.v1.LibraryService/GetBook")
