"""A call that is recorded ends as one that is not: `RecordedServerCall` has `ServerCall._run`, `_Recorded._prepare` and `_Recorded._record`
written out, so a server with a recorder and one without are led through the same outcomes. Each call leaves one row, with the code that its
caller is told."""

import asyncio
from typing import Any

import grpc.aio
import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import EchoServiceClient

from tests.echo_service import FOREVER, PATIENCE, Echo, serving, turn_until
from tests.stream_service import Streams
from towpath._core.call_options import CallOptions
from towpath._core.context import Context
from towpath._core.decisions import Decision
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._core.propagation.span_ids import own_span_id
from towpath._core.service import Handler, MethodSpec
from towpath._transport import Channel, ChannelOptions, Server

PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])


class Rows:
    """Stands for a recorder: keeps what it is told. With `kept` all calls are slow, and are kept."""

    role = "rows"

    def __init__(self, *, kept: bool = False) -> None:
        self.after = -1.0 if kept else float("inf")
        self.kept = kept
        self.codes: list[int] = []
        self.times: list[tuple[float, ...]] = []
        self.early = 0

    @property
    def slow(self) -> "Rows":
        return self

    def next_serial(self) -> int:
        return 1

    def keeps(self, ctx: Context, code: int, /) -> bool:
        return self.kept

    def ended(self, ctx: Context, branch: int, code: int, times: tuple[float, ...], request: int, response: int, /) -> None:
        self.codes.append(code)
        self.times.append(times)

    def pinned(self, traces: bytes, /) -> None:
        pass

    def rejected(self, extra: Any, peer: str, /) -> None:
        self.early += 1

    def received(self, method: MethodSpec[Any, Any], /) -> "Rows":
        return self

    def wrap(self, method: MethodSpec[Any, Any], following: Handler) -> Handler:
        return following


FOREIGN = Metadata.received((("trail-a", "Zo\xeb"),))
"""What towpath lets no application send, and passes on as it came."""


class Odd(Echo):
    """Answers in ways that no handler should."""

    async def say(self, request: pb.SayRequest, ctx: Context) -> Any:
        if request.id == "wrong":
            return pb.FailResponse()
        if request.id == "group":
            raise ExceptionGroup("several", [RpcError(Code.ABORTED, "first"), ValueError()])
        if request.id == "trailers":
            ctx.reply.trailers = Metadata([("trail-a", "1")])
            raise RpcError(Code.ABORTED, "with trailers")
        if request.id == "pairs":
            ctx.reply.trailers = [("trail-a", "1")]  # pyright: ignore[reportAttributeAccessIssue] - nothing keeps a handler from it
        if request.id in ("foreign", "foreign error"):  # as a gateway has them from another server
            ctx.reply.trailers = FOREIGN
        if request.id in ("foreign error", "foreign error alone"):
            raise RpcError(Code.UNAVAILABLE, "down", metadata=FOREIGN)
        if request.id == "unwritable":
            ctx.reply.trailers = Metadata([("trail-a", "x" * 70_000)])
        if request.id == "cancelled":
            raise asyncio.CancelledError
        return await super().say(request, ctx)


CASES: dict[str, tuple[str, Any, CallOptions]] = {
    "answer": ("say", pb.SayRequest(id="x"), CallOptions()),
    "large answer": ("say", pb.SayRequest(payload=bytes(300_000)), CallOptions()),
    "metadata": ("say", pb.SayRequest(id="x"), CallOptions(metadata=Metadata([("head-a", "1"), ("trail-b", "2")]))),
    "error": ("fail", pb.FailRequest(code=Code.NOT_FOUND, message="no", reason="GONE"), CallOptions()),
    "bug": ("fail", pb.FailRequest(message="x"), CallOptions()),
    **{
        name: ("say", pb.SayRequest(id=name), CallOptions())
        for name in ("wrong", "group", "trailers", "pairs", "foreign", "foreign error", "foreign error alone", "unwritable", "cancelled")
    },
}


async def outcome(address: str, case: str, protocol: Any) -> tuple[Any, ...]:
    method, request, options = CASES[case]
    async with Channel(address, options=ChannelOptions(protocol=protocol)) as channel:
        try:
            return (await getattr(EchoServiceClient(channel), method)(request, options),)
        except RpcError as error:
            text = error.message.partition(", request id")[0]
            return error.code, text, [str(detail) for detail in error.details], list(error.metadata)


@PROTOCOLS
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kept", [False, True], ids=["", "kept"])
async def test_a_call_that_is_recorded_ends_as_one_that_is_not(
    case: str, protocol: Any, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Rows(kept=kept)
    async with serving(Odd()) as plain, serving(Odd(), layers=[rows]) as recorded:
        expected = await outcome(plain.address, case, protocol)
        assert await outcome(recorded.address, case, protocol) == expected
        await turn_until(lambda: rows.codes)
    assert rows.codes == [expected[0] if isinstance(expected[0], Code) else 0]
    (times,) = rows.times
    reached = [time for time in times if time]
    assert reached == sorted(reached)
    assert 0.0 not in times[:3]


@PROTOCOLS
async def test_a_call_whose_caller_leaves_while_it_is_handled_leaves_one_row(protocol: Any) -> None:
    rows, echo = Rows(), Echo()
    async with serving(echo, layers=[rows]) as server, Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel:
        call = asyncio.create_task(EchoServiceClient(channel).sleep(pb.SleepRequest(seconds=FOREVER)))
        await echo.until(lambda: bool(echo.seen["sleep"]))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await turn_until(lambda: rows.codes)
    assert rows.codes == [Code.CANCELLED]


async def test_a_request_that_is_no_message_leaves_a_row_of_a_call_that_was_not_begun() -> None:
    rows = Rows()
    async with serving(Echo(), layers=[rows], message_limit=100) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError, match="RESOURCE_EXHAUSTED"):
            await EchoServiceClient(channel).say(pb.SayRequest(payload=bytes(1000)))
        await turn_until(lambda: rows.codes)
    assert rows.codes == [Code.RESOURCE_EXHAUSTED]
    assert rows.times[0][2] == 0.0


@PROTOCOLS
async def test_a_trace_that_is_asked_for_before_the_call_is_let_in_has_the_span_of_its_row(protocol: Any) -> None:
    spans: list[str] = []

    def told(decision: Decision) -> None:
        assert decision.ctx is not None
        spans.append(decision.ctx.trace.span_id)

    class Asking(Echo):
        async def say(self, request: pb.SayRequest, ctx: Context) -> pb.SayResponse:
            spans.append(ctx.trace.span_id)
            return await super().say(request, ctx)

    async with (
        serving(Asking(), layers=[Rows()], max_timeout=PATIENCE, signal=told) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        await EchoServiceClient(channel).say(pb.SayRequest(), CallOptions(timeout=2 * PATIENCE))
    early, span = spans
    assert early != span
    assert span == f"{own_span_id(1):016x}"


@pytest.mark.parametrize("method", ["echo.v1.EchoService/Say", "stream.v1.StreamService/Repeat"])
@pytest.mark.parametrize(
    "fields", [[("towpath-tenant", "a"), ("towpath-tenant", "b")], [("connect-timeout-ms", "x")]], ids=["tenant", "timeout"]
)
async def test_a_malformed_head_ends_its_own_call_alone(method: str, fields: list[tuple[str, str]]) -> None:
    rows, echo = Rows(), Echo()
    server = Server([echo, Streams()], layers=[rows])
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(server.address) as channel:
        beside = channel.unary_unary("/echo.v1.EchoService/Sleep")(pb.SleepRequest(seconds=FOREVER).SerializeToString(), timeout=PATIENCE)
        await echo.until(lambda: bool(echo.seen["sleep"]))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary(f"/{method}")(b"", metadata=fields, timeout=PATIENCE)
        assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not beside.done()
        beside.cancel()
        await turn_until(lambda: rows.codes)
    await server.close(0.0)
    assert rows.codes == [Code.CANCELLED]
