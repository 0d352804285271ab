"""Which trace is in the row of a call that comes without a `traceparent`, or with something else in its place."""

import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import grpc.aio
import pytest
from echo.v1 import echo_pb2 as pb
from stream.v1 import stream_pb2 as stream_pb

from tests.echo_service import PATIENCE, turn_until
from tests.telemetry.flight_recorder.scene import Scene, scene
from towpath import Code
from towpath._core.propagation import sampling
from towpath._core.propagation.sampling import Sampler
from towpath._core.propagation.span_ids import own_span_id
from towpath._telemetry.flight_recorder.row import SAMPLED, Kind, Row

SAY, FAIL, REPEAT = "/echo.v1.EchoService/Say", "/echo.v1.EchoService/Fail", "/stream.v1.StreamService/Repeat"
REQUESTS = {
    SAY: pb.SayRequest(id="x"),
    FAIL: pb.FailRequest(code=Code.NOT_FOUND, message="no", reason="GONE"),
    REPEAT: stream_pb.RepeatRequest(answers=[stream_pb.Answer(size=1)]),
}
EVERY_METHOD = pytest.mark.parametrize("method", REQUESTS)

GIVEN = "00-" + "a" * 32 + "-" + "b" * 16 + "-00"
TOO_SHORT = pytest.mark.parametrize("header", ["x", "x" * 22, "00-" + "a" * 32, GIVEN[:-1]])

Call = Callable[[str, str], Awaitable[Row]]


@asynccontextmanager
async def calling(here: Scene) -> AsyncIterator[Call]:
    """A function that calls a method with a `traceparent`, or without one if it is empty, and returns the row of the call."""
    async with grpc.aio.insecure_channel(here.address) as channel:

        async def call(method: str, header: str) -> Row:
            known = len(here.rows.of(Kind.SERVER))
            metadata = [("traceparent", header)] if header else []
            with suppress(grpc.aio.AioRpcError):
                answers = channel.unary_stream(method)(REQUESTS[method].SerializeToString(), metadata=metadata, timeout=PATIENCE)
                _ = [answer async for answer in answers]
            await turn_until(lambda: len(here.rows.of(Kind.SERVER)) > known)
            return here.rows.of(Kind.SERVER)[-1]

        yield call


def began_here(row: Row) -> bool:
    """Whether the row has a trace that the call began, with the span that its serial number stands for."""
    return len(row.trace_id) == 32 and row.span_id == f"{own_span_id(row.serial):016x}"


@EVERY_METHOD
@TOO_SHORT
async def test_a_header_that_is_too_short_for_a_trace_ends_no_task_with_an_error(
    method: str, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene() as here, calling(here) as call:
        row = await call(method, header)
        assert here.rows.name(row.method) == method[1:]
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.ERROR]


@EVERY_METHOD
@pytest.mark.parametrize("header", ["", "x"])
async def test_a_call_that_begins_a_trace_is_sampled_though_its_handler_never_asks_for_the_trace(method: str, header: str) -> None:
    with sampling.using(Sampler(1.0)):
        async with scene() as here, calling(here) as call:
            row = await call(method, header)
    assert row.flag(SAMPLED)
    assert began_here(row)


async def test_a_trace_that_began_elsewhere_stays_the_one_of_its_caller() -> None:
    with sampling.using(Sampler(1.0)):
        async with scene() as here, calling(here) as call:
            row = await call(SAY, GIVEN)
    assert not row.flag(SAMPLED)
    assert (row.trace_id, row.span_id) == ("a" * 32, "b" * 16)


async def test_a_call_that_failed_has_a_trace_to_be_found_by_and_another_one_pays_for_none() -> None:
    async with scene() as here, calling(here) as call:
        assert began_here(await call(FAIL, ""))
        assert (await call(SAY, "")).trace_id == ""


async def test_a_trace_that_was_begun_in_place_of_a_malformed_one_is_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REQUESTS, FAIL, pb.FailRequest(message="a bug"))  # the text of its error has the trace id
    async with scene() as here, calling(here) as call:
        assert began_here(await call(FAIL, GIVEN.upper()))
