"""grpcio's clients, aio and sync, against towpath's server, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from echo.v1 import echo_pb2 as pb
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from tests.conformance.grpcio_peer import Stub
from tests.deadlines import missed
from tests.echo_service import FOREVER, PATIENCE, Echo, request_of_size, serving
from towpath._core.errors import Code
from towpath._core.service import DEFAULT_TIMEOUT
from towpath._transport import Server
from towpath._wire.grpc.framing import DEFAULT_MESSAGE_LIMIT
from towpath._wire.http2 import Limits

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]


class AioClient:
    """grpcio.aio as `Client` below."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = Stub(channel)

    async def call(self, name: str, request: Any, **options: Any) -> tuple[Any, Any, Any]:
        call = getattr(self.stub, name)(request, **{"timeout": PATIENCE, **options})
        answer = await call
        return answer, await call.initial_metadata(), await call.trailing_metadata()


class SyncClient:
    """grpcio's threads: a call blocks one of the executor's."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.stub = Stub(channel)

    async def call(self, name: str, request: Any, **options: Any) -> tuple[Any, Any, Any]:
        def run() -> tuple[Any, Any, Any]:
            answer, call = getattr(self.stub, name).with_call(request, **{"timeout": PATIENCE, **options})
            return answer, call.initial_metadata(), call.trailing_metadata()

        return await asyncio.to_thread(run)


Client = AioClient | SyncClient


@asynccontextmanager
async def aio_client(address: str, **options: Any) -> AsyncIterator[AioClient]:
    async with grpc.aio.insecure_channel(address, options=UNLIMITED, **options) as channel:
        yield AioClient(channel)


@asynccontextmanager
async def sync_client(address: str, **options: Any) -> AsyncIterator[SyncClient]:
    with grpc.insecure_channel(address, options=UNLIMITED, **options) as channel:
        yield SyncClient(channel)


@pytest.fixture(params=[aio_client, sync_client], ids=["aio", "sync"])
def connected(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """One of the two, as an async context manager that takes the address."""
    return request.param


async def failure(client: Client, name: str, request: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        await client.call(name, request, **options)
    return caught.value


def code_of(error: Any) -> Code:
    return Code(error.code().value[0])


def only_peer(server: Server) -> str:
    (link,) = server.links
    return link.peer


async def test_a_unary_call(connected: Callable[..., Any]) -> None:
    async with serving(Echo()) as server, connected(server.address) as client:
        answer, _, _ = await client.call("say", pb.SayRequest(id="a", n=-7, tags=["x", "ü"], payload=b"\0\xff"))
    assert answer == pb.SayResponse(id="a", n=-7, text="x,ü", payload=b"\0\xff")


async def test_many_calls_share_one_connection() -> None:
    async with serving(Echo()) as server, aio_client(server.address) as client:
        answers = await asyncio.gather(*(client.call("say", pb.SayRequest(n=n)) for n in range(500)))
        assert [answer.n for answer, _, _ in answers] == list(range(500))
        assert len(server.links) == 1


async def test_threads_share_one_connection() -> None:
    async with serving(Echo()) as server, sync_client(server.address) as client:
        answers = await asyncio.gather(*(client.call("say", pb.SayRequest(n=n)) for n in range(50)))
        assert [answer.n for answer, _, _ in answers] == list(range(50))
        assert len(server.links) == 1


async def test_metadata_both_ways(connected: Callable[..., Any]) -> None:
    head = [("head-text", "one"), ("head-text", "two"), ("head-raw-bin", bytes(range(256)))]
    trail = [("trail-raw-bin", b"\0"), ("trail-raw-bin", b""), ("trail-text", "three, four"), ("trail-text", "")]
    async with serving(Echo()) as server, connected(server.address) as client:
        answer, headers, trailers = await client.call("inspect", pb.InspectRequest(), metadata=(*head, *trail))
    assert [(entry.key, entry.value) for entry in answer.metadata] == [
        (key, value if isinstance(value, str) else value.hex()) for key, value in (*head, *trail)
    ]
    assert [(key, value) for key, value in headers if key.startswith("head-")] == head
    assert [(key, value) for key, value in trailers if key.startswith("trail-")] == trail


async def test_metadata_of_a_failed_call(connected: Callable[..., Any]) -> None:
    async with serving(Echo()) as server, connected(server.address) as client:
        error: Any = await failure(
            client, "fail", pb.FailRequest(code=9, message="no"), metadata=(("trail-x", "1"), ("trail-y-bin", b"\1"))
        )
        trailers = list(error.trailing_metadata())
    assert [(key, value) for key, value in trailers if key.startswith("trail-")] == [("trail-x", "1"), ("trail-y-bin", b"\1")]


@pytest.mark.parametrize("code", list(Code))
async def test_every_status(code: Code) -> None:
    async with serving(Echo()) as server, aio_client(server.address) as client:
        error: Any = await failure(client, "fail", pb.FailRequest(code=code, message=f"it is {code.name}"))
    assert (code_of(error), error.details()) == (code, f"it is {code.name}")


@pytest.mark.parametrize("message", ["Grüße, 世界 🛫", "100 % sure %41", "line\nbreak\ttab\x00nul", "", " outer spaces ", "%", "é" * 500])
async def test_messages_of_any_text(connected: Callable[..., Any], message: str) -> None:
    async with serving(Echo()) as server, connected(server.address) as client:
        error: Any = await failure(client, "fail", pb.FailRequest(code=3, message=message))
    assert error.details() == message


async def test_rich_details(connected: Callable[..., Any]) -> None:
    async with serving(Echo()) as server, connected(server.address) as client:
        error: Any = await failure(client, "fail", pb.FailRequest(code=8, message="fully böoked", reason="NO_SEATS"))
        rich = rpc_status.from_call(error)
    assert rich is not None
    info = ErrorInfo()
    assert rich.details[0].Unpack(info)
    assert (rich.code, rich.message, info) == (8, "fully böoked", ErrorInfo(reason="NO_SEATS", domain="echo"))


async def test_a_bug_in_a_handler_shows_an_id_and_nothing_else(connected: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    echo = Echo()
    async with serving(echo) as server, connected(server.address) as client:
        error: Any = await failure(client, "fail", pb.FailRequest(message="password is hunter2"))
    request_id = echo.contexts[-1].request_id
    assert (code_of(error), error.details()) == (Code.INTERNAL, f"internal error, request id {request_id}")
    (record,) = caplog.records
    assert request_id in record.getMessage()
    assert "hunter2" in caplog.text


async def test_the_callers_request_id_is_the_one_to_quote() -> None:
    async with serving(Echo()) as server, aio_client(server.address) as client:
        error: Any = await failure(client, "fail", pb.FailRequest(), metadata=(("x-request-id", "r-17"),))
    assert error.details() == "internal error, request id r-17"


async def test_a_deadline_is_exceeded_on_both_sides(connected: Callable[..., Any]) -> None:
    echo = Echo()
    async with serving(echo) as server, connected(server.address) as client:
        error = await missed(
            lambda timeout: failure(client, "sleep", pb.SleepRequest(seconds=FOREVER), timeout=timeout), lambda: echo.seen["sleep"]
        )
        await echo.until(lambda: echo.seen["cancelled"] == echo.seen["sleep"])
        assert code_of(error) is Code.DEADLINE_EXCEEDED
        assert not any(link.calls for link in server.links)


async def test_the_deadline_reaches_the_handler() -> None:
    async with serving(Echo()) as server, aio_client(server.address) as client:
        answer, _, _ = await client.call("inspect", pb.InspectRequest(), timeout=1000)
        assert 900 < answer.remaining <= 1000.01
        answer, _, _ = await client.call("inspect", pb.InspectRequest(), timeout=None)
        assert 0 < answer.remaining <= DEFAULT_TIMEOUT, "the default, since a call without a deadline may hang for ever"


async def test_cancelling_a_call_cancels_its_handler() -> None:
    echo = Echo()
    async with serving(echo) as server, aio_client(server.address) as client:
        task = asyncio.create_task(client.call("sleep", pb.SleepRequest(seconds=FOREVER)))
        await echo.until(lambda: echo.seen["sleep"] == 1)
        task.cancel()
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.call("say", pb.SayRequest())
        assert len(server.links) == 1


async def test_cancelling_a_sync_call_cancels_its_handler() -> None:
    echo = Echo()
    async with serving(echo) as server, sync_client(server.address) as client:
        future = client.stub.sleep.future(pb.SleepRequest(seconds=FOREVER), timeout=PATIENCE)
        await echo.until(lambda: echo.seen["sleep"] == 1)
        future.cancel()
        await echo.until(lambda: echo.seen["cancelled"] == 1)
        await client.call("say", pb.SayRequest())
        assert len(server.links) == 1


async def test_a_client_that_is_gone_cancels_its_handlers(connected: Callable[..., Any]) -> None:
    echo = Echo()
    async with serving(echo) as server:
        async with connected(server.address) as client:
            tasks = [asyncio.create_task(client.call("sleep", pb.SleepRequest(seconds=FOREVER))) for _ in range(3)]
            await echo.until(lambda: echo.seen["sleep"] == 3)
        await echo.until(lambda: echo.seen["cancelled"] == 3)
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("answer_compression", ["gzip", None])
@pytest.mark.parametrize("request_compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
async def test_gzip(connected: Callable[..., Any], request_compression: Any, answer_compression: str | None) -> None:
    text = pb.SayRequest(payload=b"towpath " * 20_000)
    async with (
        serving(Echo(), compression=answer_compression) as server,
        connected(server.address, compression=request_compression) as client,
    ):
        for request in (text, pb.SayRequest(), text):
            answer, _, _ = await client.call("say", request)
            assert answer.payload == request.payload


async def test_an_encoding_that_the_server_does_not_know_is_unimplemented() -> None:
    async with serving(Echo()) as server, aio_client(server.address, compression=grpc.Compression.Deflate) as client:
        error: Any = await failure(client, "say", pb.SayRequest(payload=b"x" * 10_000))
    assert code_of(error) is Code.UNIMPLEMENTED
    assert "'deflate'" in error.details()


async def test_the_largest_message_passes_and_one_byte_more_keeps_the_connection(connected: Callable[..., Any]) -> None:
    async with serving(Echo()) as server, connected(server.address) as client:
        answer, _, _ = await client.call("say", request_of_size(DEFAULT_MESSAGE_LIMIT))
        assert len(answer.payload) == DEFAULT_MESSAGE_LIMIT - 16
        peer = only_peer(server)
        for _ in range(3):
            error: Any = await failure(client, "say", request_of_size(DEFAULT_MESSAGE_LIMIT + 1))
            assert code_of(error) is Code.RESOURCE_EXHAUSTED
            assert "a message is larger than the limit of 4194304 bytes" in error.details()
        await client.call("say", pb.SayRequest())
        assert only_peer(server) == peer


async def test_a_gzip_bomb_is_refused_and_keeps_the_connection() -> None:
    async with serving(Echo()) as server, aio_client(server.address, compression=grpc.Compression.Gzip) as client:
        error = await failure(client, "say", request_of_size(DEFAULT_MESSAGE_LIMIT * 4))
        assert code_of(error) is Code.RESOURCE_EXHAUSTED
        await client.call("say", pb.SayRequest())
        assert len(server.links) == 1


async def test_large_messages_through_small_windows(connected: Callable[..., Any]) -> None:
    limits = Limits(stream_window=65_535, connection_window=65_535)
    request = request_of_size(1_000_000)
    async with serving(Echo(), limits=limits) as server, connected(server.address) as client:
        answers = await asyncio.gather(*(client.call("say", request) for _ in range(8)))
        assert all(answer.payload == request.payload for answer, _, _ in answers)
        assert len(server.links) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/echo.v1.EchoService/Shout", "service echo.v1.EchoService has no method 'Shout'"),
        ("/echo.v1.Nobody/Say", "this server has no service 'echo.v1.Nobody'"),
        ("/Say", "this server has no service ''"),
    ],
)
async def test_what_nobody_serves_is_unimplemented(path: str, message: str) -> None:
    async with serving(Echo()) as server, grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(path)(b"", timeout=PATIENCE)
    assert (code_of(caught.value), caught.value.details()) == (Code.UNIMPLEMENTED, message)


async def test_what_is_not_the_message_is_internal() -> None:
    async with serving(Echo()) as server, grpc.aio.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="INTERNAL") as caught:
            await channel.unary_unary("/echo.v1.EchoService/Say")(b"\xff\xff\xff", timeout=PATIENCE)
        assert len(server.links) == 1
    assert str(caught.value.details()).startswith("the request is not a echo.v1.SayRequest")


@pytest.mark.parametrize("count", [0, 2])
async def test_another_number_of_messages_is_internal(count: int) -> None:
    async with serving(Echo()) as server, grpc.aio.insecure_channel(server.address) as channel:
        call = channel.stream_unary("/echo.v1.EchoService/Say")(iter([b""] * count), timeout=PATIENCE)
        with pytest.raises(grpc.aio.AioRpcError, match="takes exactly one message"):
            await call
    assert call.done()
