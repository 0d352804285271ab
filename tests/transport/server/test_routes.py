"""From a head to what serves it, decided once per head."""

from collections.abc import Sequence
from typing import Any

import pytest
from echo.v1.echo_towpath import SAY, SLEEP

from tests.echo_service import Echo
from towpath._core.context import Context
from towpath._core.errors import Code, SetupError
from towpath._core.service import DEFAULT_TIMEOUT, Handler, MethodSpec
from towpath._transport.server.routes import DialectRoute, DirectResponse, GrpcUnaryRoute, Routes
from towpath._wire.compression import GZIP, Compression
from towpath._wire.grpc import status
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.hpack import Decoder, literal
from towpath._wire.http.fields import Section
from towpath._wire.http2 import fields


class Marked:
    """A layer that leaves its mark on the handlers it wraps."""

    def __init__(self, role: str, marks: list[str]) -> None:
        self.role = role
        self._marks = marks

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        async def handle(request: Any, ctx: Context) -> Any:
            self._marks.append(self.role)
            return await following(request, ctx)

        return handle


def head(*changes: tuple[bytes, bytes], without: Sequence[bytes] = ()) -> Section:
    wanted = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": b"/echo.v1.EchoService/Say",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
    } | dict(changes)
    block = b"".join(literal(name, value) for name, value in wanted.items() if name not in without)
    return fields.request(Decoder(max_table_size=0, max_list_size=4096).decode(block))[0]


def route(routes: Routes, section: Section) -> GrpcUnaryRoute:
    found = routes.resolve(section)
    assert isinstance(found, GrpcUnaryRoute)
    return found


async def test_a_known_path_leads_to_its_method() -> None:
    routes = Routes([Echo()], ())
    found = routes.resolve(section := head())
    assert isinstance(found, GrpcUnaryRoute)
    assert found.method_route.method is SAY
    assert section.route is found


async def test_the_timeout_is_the_contracts_or_the_default() -> None:
    routes = Routes([Echo()], ())
    assert route(routes, head()).method_route.timeout == DEFAULT_TIMEOUT
    assert route(routes, head((b":path", SLEEP.path.encode()))).method_route.timeout == 1.5


async def test_a_methods_route_has_the_message_limit() -> None:
    assert route(Routes([Echo()], ()), head()).message_limit == DEFAULT_MESSAGE_LIMIT
    found = route(Routes([Echo()], (), message_limit=7), head())
    assert found.message_limit == found.method_route.message_limit == 7


async def test_layers_wrap_in_their_order() -> None:
    marks: list[str] = []
    method_route = route(Routes([Echo()], [Marked("outer", marks), Marked("inner", marks)]), head()).method_route
    await method_route.handler(SAY.request(), Context(SAY.full_name))
    assert marks == ["outer", "inner"]


async def test_a_service_served_twice_is_a_mistake() -> None:
    with pytest.raises(SetupError, match=r"service echo\.v1\.EchoService is served twice"):
        Routes([Echo(), Echo()], ())


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ((b":path", b"/echo.v1.EchoService/Shout"), Code.UNIMPLEMENTED, "service echo.v1.EchoService has no method 'Shout'"),
        ((b":path", b"/nobody/Say"), Code.UNIMPLEMENTED, "this server has no service 'nobody'"),
        ((b":path", b"*"), Code.UNIMPLEMENTED, "this server has no service ''"),
        ((b"content-type", b"application/grpc+thrift"), Code.INTERNAL, "content-type 'application/grpc+thrift' is not supported"),
        ((b"grpc-encoding", b"br"), Code.UNIMPLEMENTED, "grpc-encoding 'br' is not supported; use gzip"),
    ],
)
async def test_what_cannot_be_served_says_why(change: tuple[bytes, bytes], code: Code, message: str) -> None:
    direct = Routes([Echo()], ()).resolve(head(change))
    assert isinstance(direct, DirectResponse)
    error = status.decode(direct.answer(()).fields)
    assert error is not None
    assert error.code is code
    assert error.message.startswith(message)


@pytest.mark.parametrize("kind", [b"application/grpc", b"application/grpc+proto", b"application/grpc; charset=utf-8"])
async def test_these_are_grpc(kind: bytes) -> None:
    assert route(Routes([Echo()], ()), head((b"content-type", kind))).method_route.method is SAY


@pytest.mark.parametrize(
    ("section", "answer"),
    [
        (head((b"content-type", b"text/html")), b"415"),
        (head(without=[b"content-type"]), b"415"),
        (head((b"content-type", b"application/connect+proto")), b"415"),
        (head((b":method", b"PUT"), (b"content-type", b"application/json")), b"405"),
        (head((b":method", b"GET"), (b":path", b"/echo.v1.EchoService/Sleep?encoding=json&message=")), b"405"),
        (head((b":method", b"GET"), (b":path", b"/echo.v1.EchoService/Say?encoding=json")), b"400"),
        (head((b":path", b"/echo.v1.EchoService/Shout"), (b"content-type", b"application/json")), b"404"),
    ],
)
async def test_what_no_protocol_can_mean_gets_an_http_status(section: Section, answer: bytes) -> None:
    direct = Routes([Echo()], ()).resolve(section)
    assert isinstance(direct, DirectResponse)
    assert direct.answer(()).head.fields[0] == (b":status", answer)


@pytest.mark.parametrize(
    "kind", [b"application/grpc+json", b"application/grpc-web", b"application/grpc-web-text+proto", b"application/json"]
)
async def test_these_are_spoken_through_a_dialect(kind: bytes) -> None:
    assert isinstance(Routes([Echo()], ()).resolve(head((b"content-type", kind))), DialectRoute)


@pytest.mark.parametrize(
    ("accepted", "compression"),
    [(b"identity,gzip", GZIP), (b"gzip", GZIP), (b"identity, gzip ,br", GZIP), (b"identity", None), (b"gzipped", None)],
)
async def test_what_the_client_accepts_is_known(accepted: bytes, compression: Compression | None) -> None:
    found = route(Routes([Echo()], ()), head((b"grpc-accept-encoding", accepted)))
    assert found.negotiation.response(GZIP) is compression
    assert found.negotiation.response(None) is None
