"""A handler that ends with an exception group: its caller gets the first cause, and the log gets the bugs in it, over every protocol."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from typing import Any

import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from library.v1 import library_pb2 as pb
from library.v1.library_towpath import LibraryServiceClient

from tests.echo_service import PATIENCE, serving
from tests.library_service import Library
from towpath._core.context import CallOptions, Context
from towpath._core.errors import Code, RpcError
from towpath._core.metadata import Metadata
from towpath._telemetry.metrics import CallMetrics
from towpath._transport import Channel, ChannelOptions

Fault = Callable[[], Coroutine[Any, Any, None]]
PATIENT = CallOptions(timeout=PATIENCE)
REASON = ErrorInfo(reason="LENT", domain="library")


def lent() -> RpcError:
    error = RpcError(Code.NOT_FOUND, "it is lent", [REASON], metadata=Metadata([("until", "monday")]))
    error.pushback = 5.0
    return error


async def missing() -> None:
    raise lent()


async def in_a_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(missing())
        group.create_task(asyncio.sleep(PATIENCE))


async def in_two_task_groups() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_a_task_group())
        group.create_task(asyncio.sleep(PATIENCE))


async def before_a_bug() -> None:
    raise BaseExceptionGroup("", [ExceptionGroup("", [lent(), RpcError(Code.ABORTED)]), ValueError("hunter2"), SystemExit()])


async def beside_a_cancellation() -> None:
    raise BaseExceptionGroup("", [asyncio.CancelledError(), BaseExceptionGroup("", [asyncio.CancelledError(), lent()])])


async def after_a_bug() -> None:
    raise ExceptionGroup("", [ValueError("hunter2"), lent()])


class Grouping(Library):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault

    async def get_book(self, request: pb.GetBookRequest, ctx: Context) -> pb.GetBookResponse:
        ctx.reply.trailers = Metadata([("shelf", "7")])
        await self.fault()
        return pb.GetBookResponse()

    async def read_pages(self, request: pb.ReadPagesRequest, ctx: Context) -> AsyncIterator[pb.ReadPagesResponse]:
        for _ in range(request.count):
            yield pb.ReadPagesResponse()
        await self.fault()


FOUND = {
    "a task group": (in_a_task_group, False),
    "nested": (in_two_task_groups, False),
    "beside a cancellation": (beside_a_cancellation, False),
    "before a bug": (before_a_bug, True),
}


def codes(metrics: CallMetrics) -> set[str]:
    return {
        sample.labels["rpc_status_code"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "rpc_server_call_duration_seconds_count" and sample.value
    }


@pytest.mark.parametrize("protocol", ["grpc", "grpc-web", "connect"])
@pytest.mark.parametrize(("fault", "logged"), FOUND.values(), ids=FOUND)
async def test_a_call_ends_with_the_first_cause(fault: Fault, protocol: Any, caplog: pytest.LogCaptureFixture, *, logged: bool) -> None:
    metrics = CallMetrics()
    async with (
        serving(Grouping(fault), layers=[metrics.server]) as server,
        Channel(server.address, options=ChannelOptions(protocol=protocol)) as channel,
    ):
        client = LibraryServiceClient(channel)
        calls: list[Coroutine[Any, Any, Any]] = [client.get_book(pb.GetBookRequest(name="x"), PATIENT)]
        for pages in (0, 1):
            call = client.read_pages(pb.ReadPagesRequest(count=pages), PATIENT)
            for _ in range(pages):
                await anext(call)
            calls.append(anext(call))  # type: ignore[arg-type]
        for ending in calls:
            with pytest.raises(RpcError) as caught:
                await ending
            error = caught.value
            assert (error.code, error.message, error.details) == (Code.NOT_FOUND, "it is lent", (REASON,))
    assert len(caplog.records) == (3 if logged else 0)
    assert codes(metrics) == {"NOT_FOUND"}


async def test_what_the_handler_has_set_of_the_reply_goes_along() -> None:
    async with serving(Grouping(in_a_task_group)) as server, Channel(server.address) as channel:
        with pytest.raises(RpcError) as caught:
            await LibraryServiceClient(channel).get_book(pb.GetBookRequest(name="x"), PATIENT)
        assert list(caught.value.metadata) == [("shelf", "7"), ("until", "monday")]
        assert caught.value.pushback == pytest.approx(5.0)


async def test_a_bug_that_came_first_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Grouping(after_a_bug)) as server, Channel(server.address) as channel:
        client = LibraryServiceClient(channel)
        for ending in (client.get_book(pb.GetBookRequest(name="x"), PATIENT), anext(client.read_pages(pb.ReadPagesRequest(), PATIENT))):
            with pytest.raises(RpcError) as caught:
                await ending
            assert caught.value.code is Code.INTERNAL
            assert "hunter2" not in caught.value.message
    assert len(caplog.records) == 2


async def test_connect_and_rest_say_it_over_http1() -> None:
    def asked(address: str) -> list[tuple[int, Any]]:
        with closing(http.client.HTTPConnection(address, timeout=PATIENCE)) as connection:
            connection.request(
                "POST", "/library.v1.LibraryService/GetBook", json.dumps({"name": "x"}), {"content-type": "application/json"}
            )
            response = connection.getresponse()
            posted = response.status, json.loads(response.read())["message"]
            connection.request("GET", "/v1/shelves/1/books/x")
            response = connection.getresponse()
            return [posted, (response.status, json.loads(response.read())["detail"])]

    async with serving(Grouping(in_a_task_group)) as server:
        assert await asyncio.to_thread(asked, server.address) == [(404, "it is lent")] * 2
