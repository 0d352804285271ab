"""From a head to what serves it, decided once per head."""

from collections.abc import Sequence
from typing import Any

import pytest
from echo.v1.echo_towpath import SAY, SLEEP

from tests.echo_service import Echo
from towpath.core.context import Context
from towpath.core.errors import Code, SetupError
from towpath.core.service import DEFAULT_TIMEOUT, Handler, MethodSpec
from towpath.transport.routes import Routes
from towpath.wire.hpack import Decoder, literal
from towpath.wire.http2 import Section, fields


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


async def test_a_known_path_leads_to_its_method() -> None:
    routes = Routes([Echo()], ())
    route = routes.resolve(section := head())
    assert route.endpoint is not None
    assert (route.endpoint.method, route.error, route.foreign) == (SAY, None, False)
    assert section.memo is route


async def test_the_timeout_is_the_contracts_or_the_default() -> None:
    routes = Routes([Echo()], ())
    say, sleep = routes.resolve(head()).endpoint, routes.resolve(head((b":path", SLEEP.path.encode()))).endpoint
    assert say is not None
    assert sleep is not None
    assert (say.timeout, sleep.timeout) == (DEFAULT_TIMEOUT, 1.5)


async def test_layers_wrap_in_their_order() -> None:
    marks: list[str] = []
    endpoint = Routes([Echo()], [Marked("outer", marks), Marked("inner", marks)]).resolve(head()).endpoint
    assert endpoint is not None
    await endpoint.handler(SAY.request(), Context(SAY.full_name))
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
        ((b"content-type", b"application/grpc+json"), Code.INTERNAL, "content-type 'application/grpc+json' is not supported"),
        ((b"content-type", b"application/grpc-web"), Code.INTERNAL, "content-type 'application/grpc-web' is not supported"),
        ((b"grpc-encoding", b"br"), Code.UNIMPLEMENTED, "grpc-encoding 'br' is not supported; use gzip"),
    ],
)
async def test_what_cannot_be_served_says_why(change: tuple[bytes, bytes], code: Code, message: str) -> None:
    route = Routes([Echo()], ()).resolve(head(change))
    assert route.endpoint is None
    assert not route.foreign
    assert route.error is not None
    assert route.error.code is code
    assert route.error.message.startswith(message)


@pytest.mark.parametrize("kind", [b"application/grpc", b"application/grpc+proto", b"application/grpc; charset=utf-8"])
async def test_these_are_grpc(kind: bytes) -> None:
    assert Routes([Echo()], ()).resolve(head((b"content-type", kind))).endpoint is not None


@pytest.mark.parametrize("section", [head((b":method", b"GET")), head((b"content-type", b"text/html")), head(without=[b"content-type"])])
async def test_these_are_not(section: Section) -> None:
    assert Routes([Echo()], ()).resolve(section).foreign


@pytest.mark.parametrize(
    ("accepted", "gzip"),
    [(b"identity,gzip", True), (b"gzip", True), (b"identity, gzip ,br", True), (b"identity", False), (b"gzipped", False)],
)
async def test_what_the_client_accepts_is_known(accepted: bytes, gzip: bool) -> None:
    assert Routes([Echo()], ()).resolve(head((b"grpc-accept-encoding", accepted))).accepts_gzip is gzip
