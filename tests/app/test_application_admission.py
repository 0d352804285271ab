"""`[service.admission]`: the limits of a service file reject calls in every protocol and over both HTTPs, and change while calls come."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient
from google.rpc.error_details_pb2 import ErrorInfo
from library.v1 import library_pb2 as books

from tests.conformance.grpcio_peer import Stub
from tests.echo_service import Echo
from tests.library_service import Library
from tests.transport.raw_peer import raw_client
from towpath import App, CallOptions, Context, Decision, RpcError
from towpath._app.settings.service_file import load
from towpath._transport import Channel, ChannelOptions
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames

CALLS: Final = 200
LONG: Final = 300.0
"""Seconds in which even a busy machine computes for all of them."""
FEW: Final = "[service.admission]\nmax_queue_length = 2\nmin_limit = 7\ninitial_limit = 7\nmax_limit = 7"
BOOK: Final = "/v1/shelves/1/books/2"


def compute() -> None:
    """Keep the event loop for longer than a turn of it is to last."""
    until = time.perf_counter() + 0.003
    while time.perf_counter() < until:
        pass


class Computing(Echo):
    async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
        compute()
        return pb.SayResponse(id=request.id)


class ComputingLibrary(Library):
    async def get_book(self, request: books.GetBookRequest, ctx: Context) -> books.GetBookResponse:
        compute()
        return await super().get_book(request, ctx)


@asynccontextmanager
async def started(folder: Path, text: str, told: list[Decision]) -> AsyncIterator[App]:
    path = folder / "towpath.toml"
    path.write_text(text, encoding="utf-8")
    async with App(load(path, {}), on_decision=told.append) as app:
        app.add(Computing(), ComputingLibrary())
        await app.start("127.0.0.1", 0)
        yield app


# Each returns how many calls were answered, and how many rejected.


async def grpcio(app: App) -> tuple[int, int]:
    sent = threading.Event()
    ended = asyncio.create_task(asyncio.to_thread(_by_grpcio, app.address, sent))
    await asyncio.sleep(0)
    # The loop stands still until grpcio has all calls. Its thread would hand them over one by one while the loop computes.
    assert sent.wait(LONG)
    return await ended


def _by_grpcio(address: str, sent: threading.Event) -> tuple[int, int]:
    with grpc.insecure_channel(address) as channel:
        calls = [Stub(channel).say.future(pb.SayRequest(), timeout=LONG) for _ in range(CALLS)]
        sent.set()
        codes = [call.code() for call in calls]
    return codes.count(grpc.StatusCode.OK), codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)


def over_http2(protocol: str) -> Callable[[App], Awaitable[tuple[int, int]]]:
    async def calls(app: App) -> tuple[int, int]:
        async with Channel(app.address, options=ChannelOptions(protocol=protocol)) as channel:
            client = EchoServiceClient(channel)
            ended: list[Any] = await asyncio.gather(
                *(client.say(pb.SayRequest(), CallOptions(timeout=LONG)) for _ in range(CALLS)), return_exceptions=True
            )
        names = [one.code.name if isinstance(one, RpcError) else "OK" for one in ended]
        return names.count("OK"), names.count("RESOURCE_EXHAUSTED")

    return calls


def over_http1(request: bytes) -> Callable[[App], Awaitable[tuple[int, int]]]:
    async def one(app: App) -> bytes:
        host, _, port = app.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        async with asyncio.timeout(LONG):
            line = await reader.readline()
        writer.close()
        return line.split(b" ")[1]

    async def calls(app: App) -> tuple[int, int]:
        statuses = await asyncio.gather(*(one(app) for _ in range(CALLS)))
        return statuses.count(b"200"), statuses.count(b"429")

    return calls


async def rest_over_http2(app: App) -> tuple[int, int]:
    head = (b":method", b"GET"), (b":scheme", b"http"), (b":path", BOOK.encode()), (b":authority", b"a"), (b"grpc-timeout", b"300S")
    block = b"".join(literal(*field) for field in head)
    async with raw_client(app.address) as peer:
        for number in range(CALLS):
            peer.send(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 2 * number + 1, block)
        statuses = [peer.fields(await peer.until(frames.HEADERS))[b":status"] for _ in range(CALLS)]
    return statuses.count(b"200"), statuses.count(b"429")


HEAD: Final = (
    b"POST /echo.v1.EchoService/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    b"connect-timeout-ms: 300000\r\ncontent-length: 2\r\n\r\n{}"
)
PROTOCOLS: Final = {
    "gRPC by grpcio": grpcio,
    "gRPC": over_http2("grpc"),
    "gRPC-Web": over_http2("grpc-web"),
    "Connect": over_http2("connect"),
    "Connect over HTTP/1.1": over_http1(HEAD),
    "REST": rest_over_http2,
    "REST over HTTP/1.1": over_http1(f"GET {BOOK} HTTP/1.1\r\nhost: a\r\ngrpc-timeout: 300S\r\n\r\n".encode()),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_calls_beyond_those_that_may_wait_are_rejected(protocol: str, tmp_path: Path) -> None:
    told: list[Decision] = []
    async with started(tmp_path, FEW, told) as app:
        answered, rejected = await PROTOCOLS[protocol](app)
    assert answered + rejected == CALLS
    assert answered
    assert rejected
    assert "QUEUE_FULL" in {decision.reason for decision in told if decision.role == "admission"}


@pytest.mark.parametrize(
    ("protocol", "mode"), [*((protocol, "shadow") for protocol in PROTOCOLS), ("gRPC", "off"), ("REST over HTTP/1.1", "off")]
)
async def test_in_shadow_and_off_all_calls_are_answered(protocol: str, mode: str, tmp_path: Path) -> None:
    told: list[Decision] = []
    async with started(tmp_path, f'{FEW}\nmode = "{mode}"', told) as app:
        assert await PROTOCOLS[protocol](app) == (CALLS, 0)
    assert {decision.shadow for decision in told if decision.role == "admission"} <= {True}


async def rejection_of(address: str) -> dict[str, str] | None:
    """The figures that came with the first rejection of many calls that begin together."""
    async with Channel(address) as channel:
        client = EchoServiceClient(channel)
        ended = await asyncio.gather(
            *(client.say(pb.SayRequest(), CallOptions(timeout=LONG)) for _ in range(CALLS)), return_exceptions=True
        )
    details = [detail for one in ended if isinstance(one, RpcError) for detail in one.details if isinstance(detail, ErrorInfo)]
    return dict(details[0].metadata) if details else None


async def test_other_limits_hold_after_a_reload_and_calls_that_wait_are_served(tmp_path: Path) -> None:
    told: list[Decision] = []
    async with started(tmp_path, FEW, told) as app:
        figures = await rejection_of(app.address)
        assert figures is not None
        assert figures["limit"] == "7"
        path = tmp_path / "towpath.toml"
        path.write_text(FEW.replace("= 7", "= 9"), encoding="utf-8")
        app.reload(load(path, {}))
        figures = await rejection_of(app.address)
        assert figures is not None
        assert figures["limit"] == "9"
        path.write_text(FEW.replace("= 2", "= 1000"), encoding="utf-8")
        app.reload(load(path, {}))
        before = len(told)
        await rejection_of(app.address)
        assert "QUEUE_FULL" not in {decision.reason for decision in told[before:]}


@pytest.mark.parametrize("protocol", ["gRPC", "Connect over HTTP/1.1"])
async def test_calls_that_wait_during_a_reload_all_end(protocol: str, tmp_path: Path) -> None:
    text = '[service.admission]\nmax_queue_length = {}\ntarget = "3600s"'
    told: list[Decision] = []
    async with started(tmp_path, text.format(1000), told) as app:
        calls = asyncio.create_task(PROTOCOLS[protocol](app))
        path = tmp_path / "towpath.toml"
        for length in (2000, 3000, 2000, 1000):
            await asyncio.sleep(0)
            path.write_text(text.format(length), encoding="utf-8")
            app.reload(load(path, {}))
        answered, rejected = await calls
        assert answered + rejected == CALLS
        assert answered
        assert (await PROTOCOLS[protocol](app))[0]
