"""Which calls have a line, what it says, and that a flood of failures is no flood of lines."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from echo.v1.echo_towpath import SAY, EchoServiceClient

from tests.echo_service import Echo
from towpath import App, CallOptions, RpcError, connect
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import Code
from towpath._core.metadata import Metadata
from towpath._core.propagation.trace import TraceContext
from towpath._core.service import MethodKind
from towpath._telemetry.logs import access_log
from towpath._telemetry.logs.access_log import AccessLog, AccessOptions
from towpath._telemetry.metrics import CallMetrics

TRACE = "4bf92f3577b34da6a3%s"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Iterator[Clock]:
    source = Clock()
    with clock.using(source):
        yield source


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[list[Any]]:
    handler = Kept()
    access_log.log.addHandler(handler)
    access_log.log.setLevel(logging.INFO)
    access_log.log.propagate = False
    yield handler.records
    access_log.log.propagate = True
    access_log.log.setLevel(logging.NOTSET)
    access_log.log.removeHandler(handler)


def context(low_bits: str = "00000000000000", **own: Any) -> Context:
    made: Any = Context("echo.v1.EchoService/Say", traceparent=f"00-{TRACE % low_bits}-00f067aa0ba902b7-01".encode())
    for name, value in own.items():
        setattr(made, name, value)
    return made


def handler(access: AccessLog, time: Clock, seconds: float = 0.0, error: BaseException | None = None, side: str = "server") -> Any:
    async def handle(_request: Any, _ctx: Context) -> str:
        time.now += seconds
        if error is not None:
            raise error
        return "answer"

    layer = access.layer(side)  # type: ignore[arg-type] # "server" or "client"
    assert layer is not None
    return layer.wrap(SAY, handle)


async def test_the_trace_decides_which_calls_have_a_line_by_the_rule_of_sampling(time: Clock, kept: list[Any]) -> None:
    handle = handler(AccessLog(AccessOptions(rate=0.25)), time, 0.0031)
    for low_bits, chosen in (("bfffffffffffff", False), ("c0000000000000", True), ("ffffffffffffff", True)):
        kept.clear()
        assert await handle(None, context(low_bits)) == "answer"
        assert len(kept) == chosen
    (record,) = kept
    assert record.getMessage() == "EchoService/Say OK 3.1 ms"
    assert (record.name, record.levelname) == ("towpath.access", "INFO")
    assert (record.method, record.side, record.code, record.duration_ms) == ("echo.v1.EchoService/Say", "server", "OK", 3.1)
    assert (record.trace_id, record.request_id) == (TRACE % "ffffffffffffff", TRACE % "ffffffffffffff")
    assert not hasattr(record, "tenant")


@pytest.mark.parametrize(("rate", "lines"), [(0.0, 0), (1.0, 3)])
async def test_none_and_all_are_rates(time: Clock, kept: list[Any], rate: float, lines: int) -> None:
    handle = handler(AccessLog(AccessOptions(rate=rate)), time)
    for ctx in (context("ffffffffffffff"), context("00000000000000"), Context("echo.v1.EchoService/Say")):
        await handle(None, ctx)
    assert len(kept) == lines


async def test_of_calls_without_a_trace_chance_decides(time: Clock, kept: list[Any]) -> None:
    handle = handler(AccessLog(AccessOptions(rate=0.5, max_per_second=100_000)), time)
    for _ in range(1000):
        await handle(None, Context("echo.v1.EchoService/Say"))
    assert 300 < len(kept) < 700


async def test_a_slow_call_has_a_line_and_a_long_stream_has_none(time: Clock, kept: list[Any]) -> None:
    access = AccessLog(AccessOptions(rate=0, slow=1.0))
    await handler(access, time, 0.999)(None, context())
    assert kept == []
    await handler(access, time, 1.0)(None, context())
    assert [(record.levelname, record.getMessage()) for record in kept] == [("WARNING", "EchoService/Say OK 1000.0 ms")]
    stream = replace(SAY, kind=MethodKind.SERVER_STREAMING)

    async def long(_request: Any, _ctx: Context) -> None:
        time.now += 60

    layer = access.layer("server")
    assert layer is not None
    await layer.wrap(stream, long)(None, context())
    access.configure(AccessOptions(rate=0, slow=None))
    await handler(access, time, 60)(None, context())
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("error", "code", "level"),
    [
        (RpcError(Code.NOT_FOUND, "no"), "NOT_FOUND", "INFO"),
        (RpcError(Code.UNAVAILABLE, "no"), "UNAVAILABLE", "WARNING"),
        (ValueError("token=abc"), "INTERNAL", "WARNING"),
        (asyncio.CancelledError(), "CANCELLED", "INFO"),
    ],
)
async def test_a_failed_call_has_a_line_and_the_error_goes_on(
    time: Clock, kept: list[Any], error: BaseException, code: str, level: str
) -> None:
    handle = handler(AccessLog(AccessOptions(rate=0)), time, 0.5, error)
    with pytest.raises(type(error)) as caught:
        await handle(None, context())
    assert caught.value is error
    (record,) = kept
    assert (record.levelname, record.getMessage()) == (level, f"EchoService/Say {code} 500.0 ms")


async def test_a_flood_of_failures_is_no_flood_of_lines_and_another_kind_has_its_line(time: Clock, kept: list[Any]) -> None:
    access = AccessLog(AccessOptions(rate=0, max_per_second=2))
    flood = handler(access, time, error=RpcError(Code.UNAVAILABLE, "no"))
    for _ in range(1000):
        with pytest.raises(RpcError):
            await flood(None, context())
    assert len(kept) == 3  # the first, and two of the budget
    with pytest.raises(RpcError):
        await handler(access, time, error=RpcError(Code.NOT_FOUND, "no"))(None, context())
    assert kept[-1].getMessage() == "EchoService/Say NOT_FOUND 0.0 ms, 997 more not logged"
    assert kept[-1].left_out == 997
    time.now += 60
    for _ in range(10):
        with pytest.raises(RpcError):
            await flood(None, context())
    assert len(kept) == 4 + 3


async def test_a_line_says_what_is_known_of_the_call_and_of_metadata_what_is_allowed(time: Clock, kept: list[Any]) -> None:
    from towpath._core.server_call import ServerCallInfo

    access = AccessLog(AccessOptions(rate=1, metadata=("x-client", "authorization")))
    metadata = Metadata([("x-client", "web 3"), ("authorization", "Bearer abc"), ("x-other", "y")])
    server = ServerCallInfo(time.now)
    time.now += 0.002
    ctx = context(tenant="acme", peer="10.0.0.7:5", caller="spiffe://x", attempt=1, metadata=metadata, server=server)
    await handler(access, time)(None, ctx)
    fields = vars(kept[0])
    assert fields["metadata.x-client"] == "web 3"
    assert "Bearer" not in str(fields)
    assert "metadata.x-other" not in fields
    assert (fields["tenant"], fields["peer"], fields["caller"], fields["attempt"], fields["queued_ms"]) == (
        "acme",
        "10.0.0.7:5",
        "spiffe://x",
        1,
        2.0,
    )
    assert kept[0].getMessage() == "EchoService/Say OK 0.0 ms, queued 2.0 ms"


async def test_a_clients_line_says_how_many_attempts_there_were(time: Clock, kept: list[Any]) -> None:
    access = AccessLog(AccessOptions(client=True, server=False, rate=1))
    assert access.layer("server") is None
    ctx = Context("echo.v1.EchoService/Say", trace=TraceContext(b"00-" + b"f" * 32 + b"-00f067aa0ba902b7-01"))
    ctx.again(1)
    await handler(access, time, side="client")(None, ctx)
    assert (kept[0].side, kept[0].attempts) == ("client", 2)
    assert kept[0].getMessage() == "to EchoService/Say OK 0.0 ms, 2 attempts"


async def test_a_handler_of_the_log_that_raises_fails_no_call(time: Clock, kept: list[Any]) -> None:
    class Raises(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            raise RuntimeError("no")

    raises = Raises()
    access_log.log.addHandler(raises)
    try:
        assert await handler(AccessLog(AccessOptions(rate=1)), time)(None, context()) == "answer"
    finally:
        access_log.log.removeHandler(raises)
    assert len(kept) == 1


async def test_what_is_not_logged_is_not_made(time: Clock, kept: list[Any]) -> None:
    access_log.log.setLevel(logging.ERROR)
    ctx = context("ffffffffffffff")
    await handler(AccessLog(AccessOptions(rate=1)), time)(None, ctx)
    assert kept == []
    assert ctx.cached_trace is None


async def test_served_and_made_calls_have_lines_where_the_process_has_a_log(kept: list[Any]) -> None:
    access_log.use(AccessLog(AccessOptions(client=True, rate=1, max_per_second=100_000)))
    try:
        async with App() as app:
            app.add(Echo())
            await app.start("127.0.0.1", 0)
            async with connect(app.address, metrics=CallMetrics()) as channel:
                client = EchoServiceClient(channel)
                await client.say(pb.SayRequest(), CallOptions(tenant="acme"))
                with pytest.raises(RpcError):
                    await client.fail(pb.FailRequest(code=Code.NOT_FOUND))
    finally:
        access_log.use(None)
    told = {(record.side, record.method, record.code) for record in kept}
    say, fail = "echo.v1.EchoService/Say", "echo.v1.EchoService/Fail"
    assert told == {("server", say, "OK"), ("client", say, "OK"), ("server", fail, "NOT_FOUND"), ("client", fail, "NOT_FOUND")}
    by_side = {record.side: record for record in kept if record.method == say}
    assert by_side["server"].trace_id == by_side["client"].trace_id
    assert by_side["server"].tenant == by_side["client"].tenant == "acme"
    assert by_side["server"].queued_ms >= 0


async def test_calls_that_never_began_have_lines_without_a_context(time: Clock, kept: list[Any]) -> None:
    layer = AccessLog(AccessOptions()).layer("server")
    assert layer is not None
    layer.on_unstarted(SAY)(Code.DEADLINE_EXCEEDED, 2.0)
    assert kept[0].getMessage() == "EchoService/Say DEADLINE_EXCEEDED 2000.0 ms"
    assert not hasattr(kept[0], "trace_id")


async def test_an_application_of_a_test_or_script_has_none(kept: list[Any]) -> None:
    async with App() as app:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        async with connect(app.address, metrics=CallMetrics()) as channel:
            with pytest.raises(RpcError):
                await EchoServiceClient(channel).fail(pb.FailRequest(code=Code.UNAVAILABLE))
    assert kept == []
