"""Handlers that fail in ways that nobody foresees: each caller is answered, the log has it, and nothing is left behind or taken down."""

import asyncio
import gc
import http.client
import json
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import GET_BOOK, LibraryServiceClient

from tests.echo_service import PATIENCE, serving, turn_until
from tests.library_service import Library
from tests.transport.raw_peer import raw_client
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._layers.admission.admission import Admission
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel, ChannelOptions, Server
from towpath._wire.grpc.framing import frame
from towpath._wire.hpack import literal
from towpath._wire.http2 import frames
from towpath._wire.http2.frames import END_HEADERS, END_STREAM

Trouble = Callable[[Context], Any]
PATIENT = CallOptions(timeout=PATIENCE)
SECRET = "hunter2"
SERVICE = "/library.v1.LibraryService/"


class Panic(BaseException):
    """As bindings to Rust raise it."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


class Unprepared(RpcError):
    def __init__(self) -> None:
        """Forgets what it derives from."""


def raising(error: BaseException, **attributes: Any) -> Trouble:
    for name, value in attributes.items():
        setattr(error, name, value)

    def trouble(_: Context) -> Any:
        raise error

    return trouble


def replying(**attributes: Any) -> Trouble:
    def trouble(ctx: Context) -> Any:
        for name, value in attributes.items():
            setattr(ctx.reply, name, value)
        return None

    return trouble


def badly_both(ctx: Context) -> Any:
    ctx.reply.trailers = {"a": "b"}  # type: ignore[assignment]
    raise RpcError(Code.NOT_FOUND, SECRET)


RAISED: dict[str, Trouble] = {
    "panic": raising(Panic(SECRET)),
    "exit": raising(SystemExit(3)),
    "interrupt": raising(KeyboardInterrupt(SECRET)),
    "group": raising(BaseExceptionGroup(SECRET, [Panic()])),
    "generator exit": raising(GeneratorExit(SECRET)),
    "unspeakable": raising(Unspeakable()),
    "recursion": raising(RecursionError(SECRET)),
}
UNWRITABLE: dict[str, Trouble] = {
    "an error of a class that forgot its base": raising(Unprepared()),
    "a text that is none": raising(RpcError(Code.NOT_FOUND, ValueError(SECRET))),  # type: ignore[arg-type]
    "a detail that is none": raising(RpcError(Code.NOT_FOUND, "", [SECRET])),  # type: ignore[list-item]
    "a code that is none": raising(RpcError(Code.NOT_FOUND), code=99),
    "the code of success": raising(RpcError(Code.NOT_FOUND), code=0),
    "a word for a code": raising(RpcError(Code.NOT_FOUND), code="NOT_FOUND"),
}
METADATA: dict[str, Trouble] = {
    "an error's metadata are a dict": raising(RpcError(Code.NOT_FOUND, "", metadata={"ab": SECRET})),  # type: ignore[arg-type]
    "an error's metadata are no metadata": raising(RpcError(Code.NOT_FOUND, "", metadata=[("a\r\nb", "c")])),  # type: ignore[arg-type]
}
REPLIES: dict[str, Trouble] = {
    "trailers are a dict": replying(trailers={"ab": "c"}),
    "trailers are numbers": replying(trailers=[("a", 1)]),
    "trailers break the line": replying(trailers=[("a", "b\r\nc: d")]),
    "trailers are nothing": replying(trailers=None),
    "trailers are larger than clients take": replying(trailers=Metadata((f"k{n}", "v" * 8000) for n in range(10))),
    "an error beside bad trailers": badly_both,
}
HEADERS: dict[str, Trouble] = {
    "headers are a dict": replying(headers={"ab": "c"}),
    "headers are numbers": replying(headers=[("a", 1)]),
}
RETURNED: dict[str, Trouble] = {"another message": lambda _: pb.Book(), "a text": lambda _: "", "a dict": lambda _: {}}
TROUBLES = {**RAISED, **UNWRITABLE, **METADATA, **REPLIES, **HEADERS, **RETURNED}


class Troubled(Library):
    """Comes into trouble when it is asked for a book called `trouble`, and after the first page, if it is asked for any, of one."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble

    async def get_book(self, request: pb.GetBookRequest, ctx: Context) -> pb.GetBookResponse:
        if not request.name.endswith("trouble"):
            return await super().get_book(request, ctx)
        found = self.trouble(ctx)
        return pb.GetBookResponse() if found is None else found

    async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
        if request.count:
            yield pb.ReadPagesResponse()
        found = self.trouble(ctx)
        yield pb.ReadPagesResponse() if found is None else found


class Watched:
    """A server with the layers that keep count, and what they have counted."""

    def __init__(self) -> None:
        self.admission = Admission()
        self.metrics = CallMetrics()
        self.layers = (self.metrics.server, self.admission)

    async def left_nothing(self, server: Server) -> None:
        await turn_until(lambda: not any(link.calls for link in server.links))
        assert not self.admission.in_flight


def is_told(caplog: pytest.LogCaptureFixture, times: int = 1) -> None:
    """What went wrong is in the log, once for each call, with its traceback."""
    assert [(record.name, record.levelno) for record in caplog.records] == [("towpath.server", logging.ERROR)] * times
    assert all(record.exc_info for record in caplog.records)


def is_internal(error: RpcError) -> None:
    assert error.code is Code.INTERNAL
    assert error.message.startswith("internal error, request id ")
    assert SECRET not in error.message


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_a_unary_call_is_answered_and_its_connection_goes_on(
    trouble: Trouble, protocol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    async with (
        serving(Troubled(trouble), layers=watched.layers) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        client = LibraryServiceClient(channel)
        with pytest.raises(RpcError) as caught:
            await client.get_book(pb.GetBookRequest(name="trouble"), PATIENT)
        is_internal(caught.value)
        is_told(caplog)
        assert (await client.get_book(pb.GetBookRequest(name="x"), PATIENT)).book.title == "Emma"
        assert len(server.links) == 1
        await watched.left_nothing(server)


def streams() -> Iterator[Any]:
    """What can go wrong with a stream before and after its first message. Headers are sent before that, and what an error brings of
    metadata is not sent in Connect's last message."""
    for (name, trouble), pages, protocol in product(TROUBLES.items(), (0, 1), ("grpc", "grpc-web", "connect")):
        if not (pages and name in HEADERS) and not (protocol == "connect" and name in METADATA):
            yield pytest.param(trouble, pages, protocol, id=f"{name}-{pages}-{protocol}")


@pytest.mark.parametrize(("trouble", "pages", "protocol"), list(streams()))
async def test_a_stream_is_ended_and_its_connection_goes_on(
    trouble: Trouble, pages: int, protocol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched()
    async with (
        serving(Troubled(trouble), layers=watched.layers) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        client = LibraryServiceClient(channel)
        call = client.read_pages(pb.ReadPagesRequest(count=pages), PATIENT)
        sound = pages + (trouble in REPLIES.values() and trouble is not badly_both)
        for _ in range(sound):
            await anext(call)
        with pytest.raises(RpcError) as caught:
            await anext(call)
        is_internal(caught.value)
        is_told(caplog)
        assert (await client.get_book(pb.GetBookRequest(name="x"), PATIENT)).book.title == "Emma"
        assert len(server.links) == 1
        await watched.left_nothing(server)


def asked(address: str) -> list[tuple[int, bytes]]:
    """What one connection over HTTP/1.1 gets for the trouble in each protocol, and then for what is none."""
    request = json.dumps({"name": "trouble"})
    query = "?encoding=json&message=%7B%22name%22%3A%22trouble%22%7D"
    found = []
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
        for method, path, body, content_type in (
            ("POST", SERVICE + "GetBook", request, "application/json"),
            ("GET", SERVICE + "GetBook" + query, None, ""),
            ("GET", "/v1/shelves/1/books/trouble", None, ""),
            ("GET", "/v1/shelves/1/books/fine", None, ""),
        ):
            connection.request(method, path, body, {"content-type": content_type} if content_type else {})
            response = connection.getresponse()
            found.append((response.status, response.read()))
    return found


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_connect_and_rest_are_answered_over_http1(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    async with serving(Troubled(trouble), layers=watched.layers) as server:
        posted, got, rest, fine = await asyncio.to_thread(asked, server.address)
        for status, body in (posted, got):
            assert (status, json.loads(body)["code"]) == (500, "internal")
            assert SECRET.encode() not in body
        assert (rest[0], json.loads(rest[1])["code"]) == (500, "INTERNAL")
        assert SECRET.encode() not in rest[1]
        assert fine[0] == 200
        is_told(caplog, times=3)
        await watched.left_nothing(server)


@pytest.mark.parametrize("trouble", {**RAISED, **UNWRITABLE}.values(), ids={**RAISED, **UNWRITABLE})
async def test_lines_of_rest_end_with_the_error(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    def lines(address: str) -> list[Any]:
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
            connection.request("GET", "/v1/shelves/1/books/1:read?count=1")
            return [json.loads(line) for line in connection.getresponse().read().splitlines()]

    watched = Watched()
    async with serving(Troubled(trouble), layers=watched.layers) as server:
        first, last = await asyncio.to_thread(lines, server.address)
        assert (first, last["error"]["code"]) == ({}, "INTERNAL")
        is_told(caplog)
        await watched.left_nothing(server)


def late(_: Context) -> Any:
    book = pb.Book()
    book.published.seconds = 10**15
    return pb.GetBookResponse(book=book)


async def test_what_has_no_json_is_an_error_over_json_alone() -> None:
    watched = Watched()
    async with serving(Troubled(late), layers=watched.layers) as server, Channel(server.address) as channel:
        found = await LibraryServiceClient(channel).get_book(pb.GetBookRequest(name="trouble"), PATIENT)
        assert found.book.published.seconds == 10**15
        *failed, fine = [status for status, _ in await asyncio.to_thread(asked, server.address)]
        assert (failed, fine) == ([500] * 3, 200)
        await watched.left_nothing(server)


async def test_bad_metadata_are_no_reason_to_outlive_a_deadline() -> None:
    """They are met by the wheel that ends all calls whose deadline has passed, not by the handler's task."""

    class Slow(Library):
        async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
            ctx.reply.trailers = {"ab": "c"}  # type: ignore[assignment]
            await asyncio.Event().wait()
            yield pb.ReadPagesResponse()

    head = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", SERVICE.encode() + b"ReadPages"),
        (b":authority", b"test"),
        (b"content-type", b"application/grpc"),
        (b"grpc-timeout", b"20m"),
    )
    async with serving(Slow()) as server, raw_client(server.address) as peer:
        for stream_id in (1, 3):
            peer.send(frames.HEADERS, END_HEADERS, stream_id, b"".join(literal(*field) for field in head))
            peer.send(frames.DATA, END_STREAM, stream_id, frame(b""))
            assert peer.fields(await peer.until(frames.HEADERS, stream_id))[b"grpc-status"] == b"%d" % Code.INTERNAL
        (link,) = server.links
        await turn_until(lambda: not link.calls)


async def test_a_stream_that_returns_is_a_bug_of_the_handler() -> None:
    class Returning(Library):
        async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> pb.ReadPagesResponse:  # type: ignore[override]
            return pb.ReadPagesResponse()

    class Plain(Library):
        def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> pb.ReadPagesResponse:  # type: ignore[override]
            return pb.ReadPagesResponse()

    for service in (Returning(), Plain()):
        async with serving(service) as server, Channel(server.address) as channel:
            with pytest.raises(RpcError) as caught:
                await anext(LibraryServiceClient(channel).read_pages(pb.ReadPagesRequest(), PATIENT))
            is_internal(caught.value)


async def test_a_log_that_raises_costs_nobody_an_answer() -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ConnectionError("no log today")

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    log, broken = logging.getLogger("towpath.server"), Broken()
    log.addHandler(broken)
    watched = Watched()
    try:
        async with serving(Troubled(raising(Panic())), layers=watched.layers) as server, Channel(server.address) as channel:
            client = LibraryServiceClient(channel)
            with pytest.raises(RpcError) as caught:
                await client.get_book(pb.GetBookRequest(name="trouble"), PATIENT)
            is_internal(caught.value)
            await watched.left_nothing(server)
    finally:
        log.removeHandler(broken)
    assert [type(context["exception"]) for context in told] == [ConnectionError]
    assert isinstance(told[0]["exception"].__context__, Panic)


class Deciding:
    """A layer whose early rejection fails."""

    role = "deciding"

    def wrap(self, method: Any, following: Any) -> Any:
        return following

    def early_rejection(self, method: Any) -> Any:
        return self

    def on_headers(self, *_: Any) -> Any:
        raise OverflowError

    def on_arrival(self, *_: Any) -> Any:
        raise OverflowError


async def test_a_policy_that_fails_turns_nobody_away(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Library(), layers=[Deciding()]) as server, Channel(server.address) as channel:
        client = LibraryServiceClient(channel)
        for _ in range(3):
            assert (await client.get_book(pb.GetBookRequest(name="x"), PATIENT)).book.title == "Emma"
        assert len(server.links) == 1
    is_told(caplog, times=6)


async def test_a_handler_that_cancels_itself_is_answered_and_told(caplog: pytest.LogCaptureFixture) -> None:
    def cancel(_: Context) -> Any:
        raise asyncio.CancelledError

    async with serving(Troubled(cancel)) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError) as caught:
            await LibraryServiceClient(channel).get_book(pb.GetBookRequest(name="trouble"), PATIENT)
        assert caught.value.code is Code.CANCELLED
        is_told(caplog)


def test_ctrl_c_reaches_a_program_that_leaves_it_to_python() -> None:
    """Without a handler of its own for the signal, Python raises KeyboardInterrupt wherever it is, so also in a handler."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    loop = asyncio.new_event_loop()
    server = Server([Troubled(raising(KeyboardInterrupt()))])
    loop.run_until_complete(server.start())
    channel = Channel(server.address)

    async def ask() -> Any:
        return await channel.handler(GET_BOOK)(pb.GetBookRequest(name="trouble"), Context("a/b"))

    call = loop.create_task(ask())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(call)
    with pytest.raises(RpcError) as caught:
        loop.run_until_complete(call)
    is_internal(caught.value)
    loop.set_exception_handler(lambda _, __: None)  # nobody asks the call's task what it has ended with
    loop.run_until_complete(channel.close())
    loop.run_until_complete(server.close(0))
    gc.collect()
    loop.close()
