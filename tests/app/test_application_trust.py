"""What a server believes of its callers, over every protocol, on both HTTPs and through a gateway."""

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoService, EchoServiceClient
from stream.v1 import stream_pb2 as sp
from stream.v1.stream_towpath import StreamServiceClient

from tests.echo_service import PATIENCE, Echo
from tests.library_service import Library
from tests.stream_service import Streams, answers
from towpath import App, CallOptions, Context, Criticality, connect, forward
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.trust import trust_of
from towpath._core.service import Handler, Layer, MethodSpec
from towpath._telemetry.metrics import CallMetrics
from towpath.transport import ChannelOptions

SAY = "/echo.v1.EchoService/Say"
LIES = {
    "towpath-tenant": "bank",
    "towpath-criticality": "CRITICAL_PLUS",
    "grpc-previous-rpc-attempts": "7",
    "towpath-cohort": "127",
    "baggage": "role=admin",
}
OUTSIDE = {"x-forwarded-for": "203.0.113.7"}

Seen = tuple[str, Criticality, int]
BELIEVED: Seen = ("bank", Criticality.CRITICAL_PLUS, 7)
DROPPED: Seen = ("", Criticality.CRITICAL, 1)


class Witness:
    """A layer that keeps the contexts of the calls that reach it."""

    role = "witness"

    def __init__(self) -> None:
        self.contexts: list[Context] = []

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        def handle(request: Any, ctx: Context) -> Any:
            self.contexts.append(ctx)
            return following(request, ctx)

        return handle

    def saw(self, ask: Any, expected: Seen) -> bool:
        """Whether that is what was believed of the last call. grpcio lets no application say how many attempts came before."""
        ctx = self.contexts[-1]
        attempt = 0 if ask in {grpcio, grpcio_stream} else expected[2]
        carried = {"role": "admin"} if expected is BELIEVED else {}
        return (ctx.tenant, ctx.criticality, ctx.attempt, ctx.baggage) == (expected[0], expected[1], attempt, carried)


@asynccontextmanager
async def serving(trust: str | None, *layers: Layer) -> AsyncIterator[str]:
    async with App(ServiceConfig(trust=trust_of(trust, "here"), idempotency="off"), layers=layers) as app:
        app.add(Echo(), Streams(), Library())
        await app.start()
        yield app.address


def _asked(address: str, method: str, path: str, content_type: str, body: bytes, fields: dict[str, str]) -> None:
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, {"content-type": content_type, **fields})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)


async def connect_http1(address: str, fields: dict[str, str]) -> None:
    await asyncio.to_thread(_asked, address, "POST", SAY, "application/json", b"{}", fields)


async def grpc_web(address: str, fields: dict[str, str]) -> None:
    await asyncio.to_thread(_asked, address, "POST", SAY, "application/grpc-web+proto", bytes(5), fields)


async def rest(address: str, fields: dict[str, str]) -> None:
    await asyncio.to_thread(_asked, address, "GET", "/v1/shelves/1/books/2", "application/json", b"", fields)


async def connect_stream(address: str, fields: dict[str, str]) -> None:
    body = bytes(5)
    await asyncio.to_thread(_asked, address, "POST", "/stream.v1.StreamService/Repeat", "application/connect+proto", body, fields)


async def trailers(address: str) -> None:
    """The fields as trailers of a chunked request, which are nobody's words about the call."""
    said = "".join(f"{name}: {value}\r\n" for name, value in LIES.items())
    head = f"POST {SAY} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"

    def ask() -> None:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as peer:
            peer.sendall(f"{head}2\r\n{{}}\r\n0\r\n{said}\r\n".encode())
            assert peer.recv(65536).startswith(b"HTTP/1.1 200")

    await asyncio.to_thread(ask)


def sent(fields: dict[str, str]) -> tuple[tuple[str, str | bytes], ...]:
    """The fields as metadata for grpcio, which keeps those of its own from applications."""
    return tuple((name, value.encode() if name.endswith("-bin") else value) for name, value in fields.items())


async def grpcio(address: str, fields: dict[str, str]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        say: Any = channel.unary_unary(
            SAY, request_serializer=pb.SayRequest.SerializeToString, response_deserializer=pb.SayResponse.FromString
        )
        await say(pb.SayRequest(), metadata=sent(fields), timeout=PATIENCE)


async def grpcio_stream(address: str, fields: dict[str, str]) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        repeat: Any = channel.unary_stream(
            "/stream.v1.StreamService/Repeat",
            request_serializer=sp.RepeatRequest.SerializeToString,
            response_deserializer=sp.RepeatResponse.FromString,
        )
        async for _ in repeat(sp.RepeatRequest(answers=answers([1])), metadata=sent(fields), timeout=PATIENCE):
            pass


Ask = Callable[[str, dict[str, str]], Awaitable[None]]
ways = pytest.mark.parametrize("ask", [connect_http1, connect_stream, grpc_web, rest, grpcio, grpcio_stream])


@ways
async def test_by_default_neighbours_are_believed_and_what_a_proxy_lets_in_is_not(ask: Ask) -> None:
    async with serving(None, witness := Witness()) as address:
        await ask(address, LIES)
        assert witness.saw(ask, BELIEVED)
        assert witness.contexts[-1].cohort == 127
        for proxy in (OUTSIDE, {"forwarded": 'for="[2001:db8::1]:80"'}, {"x-real-ip": "203.0.113.7"}, {"x-forwarded-for": "unknown"}):
            await ask(address, {**LIES, **proxy})
            assert witness.saw(ask, DROPPED)
        await ask(address, {**LIES, "x-forwarded-for": "10.0.0.1, 192.168.0.1"})
        assert witness.saw(ask, BELIEVED)


@ways
async def test_who_is_not_in_the_list_is_not_believed(ask: Ask) -> None:
    async with serving("203.0.113.0/24", witness := Witness()) as address:
        await ask(address, LIES)
        assert witness.saw(ask, DROPPED)
        await ask(address, {"towpath-criticality": "SHEDDABLE"})
        assert witness.saw(ask, ("", Criticality.SHEDDABLE, 0))


@ways
async def test_who_is_in_the_list_is_believed_whatever_it_forwards(ask: Ask) -> None:
    async with serving("127.0.0.1", witness := Witness()) as address:
        await ask(address, {**LIES, **OUTSIDE})
        assert witness.saw(ask, BELIEVED)


@ways
async def test_no_application_sees_the_fields_of_another_form(ask: Ask) -> None:
    forms = {"towpath-tenant-bin": "YmFuaw", "towpath-criticality-bin": "BA", "grpc-previous-rpc-attempts-bin": "Nw"}
    async with serving(None, witness := Witness()) as address:
        await ask(address, forms)
        assert witness.saw(ask, ("", Criticality.CRITICAL, 0))
        assert not {name for name, _ in witness.contexts[-1].metadata} & forms.keys()


async def test_trailers_say_nothing_of_a_call() -> None:
    async with serving(None, witness := Witness()) as address:
        await trailers(address)
        assert witness.saw(trailers, ("", Criticality.CRITICAL, 0))


@pytest.mark.parametrize("protocol", ["grpc", "connect", "grpc-web"])
async def test_a_client_of_towpath_is_a_caller_like_others(protocol: str) -> None:
    options = CallOptions(timeout=PATIENCE, tenant="bank", criticality=Criticality.CRITICAL_PLUS)
    for trust, expected in ((None, "bank"), ("none", "")):
        async with serving(trust, witness := Witness()) as address:
            async with connect(address, metrics=CallMetrics(), options=ChannelOptions(protocol=protocol)) as channel:
                await EchoServiceClient(channel).say(pb.SayRequest(), options)
                async with StreamServiceClient(channel).repeat(sp.RepeatRequest(answers=answers([1])), options) as call:
                    assert [answer async for answer in call]
            assert [ctx.tenant for ctx in witness.contexts] == [expected, expected]


@pytest.mark.parametrize("ask", [connect_http1, grpc_web, grpcio])
async def test_through_a_gateway_no_lie_reaches_the_server_behind(ask: Ask) -> None:
    behind_sees = Witness()
    async with serving(None, behind_sees) as behind:
        for trust, fields in (("none", LIES), (None, {**LIES, **OUTSIDE, "x-forwarded-client-cert": "URI=spiffe://a/b", "colour": "blue"})):
            async with App(ServiceConfig(targets={"behind": behind}, trust=trust_of(trust, "here"))) as edge:
                edge.add(forward(EchoService, edge.channel("behind")))
                await edge.start()
                await ask(edge.address, fields)
            ctx = behind_sees.contexts[-1]
            assert (ctx.tenant, ctx.criticality, ctx.attempt) == ("", Criticality.CRITICAL, 0)
            assert ctx.given_cohort is not None
            assert {name for name, _ in ctx.metadata}.isdisjoint({"x-forwarded-for", "x-forwarded-client-cert"})
        assert ctx.metadata.get("colour") == "blue"
