"""The spans of real calls, from client to client's server to its server, as a collector gets them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from echo.v1 import echo_pb2 as pb
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import CollectorRegistry

from tests.echo_service import turn_until
from tests.telemetry.flight_recorder.scene import Scene, scene
from tests.telemetry.otlp.collector import Collector, collector
from tests.telemetry.otlp.test_spans import attributes
from towpath import RpcError
from towpath._app.process.span_export import exporting
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.telemetry.otlp import OtlpOptions
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry.flight_recorder.row import Kind
from towpath._telemetry.otlp.options import Endpoint, ExportOptions

SAMPLED = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"


@asynccontextmanager
async def traced(traceparent: bytes = SAMPLED, state: str = "", **options: Any) -> AsyncIterator[tuple[Scene, Collector]]:
    """The scene, inside a trace, with its exporter. What is exported is there after the block."""
    async with collector() as one, scene(**options) as found:
        export = ExportOptions(endpoint=Endpoint("127.0.0.1", one.port, "/v1/traces"))
        config = replace(ServiceConfig(), telemetry=TelemetryConfig(otlp=OtlpOptions(export=export)))
        async with exporting(config, CollectorRegistry()):
            token = enter(Context("main", trace=TraceContext.received(traceparent, state)))
            try:
                yield found, one
            finally:
                leave(token)


def of(one: Collector, kind: int, parent: bytes | None = None) -> Span:
    (found,) = (span for span in one.spans if span.kind == kind and parent in (None, span.parent_span_id))
    return found


@pytest.mark.parametrize("protocol", ["grpc", "connect"])
@pytest.mark.parametrize("state", ["", "vendor=1"])
async def test_each_hop_is_below_the_one_that_called_it(protocol: str, state: str) -> None:
    async with traced(state=state, protocol=protocol) as (found, one):
        await found.caller.say(pb.SayRequest(n=1))
        await turn_until(lambda: len(found.rows.of(Kind.SERVER)) == 2)
    first = of(one, Span.SPAN_KIND_CLIENT, b"")
    relay = of(one, Span.SPAN_KIND_SERVER, first.span_id)
    second = of(one, Span.SPAN_KIND_CLIENT, relay.span_id)
    echo = of(one, Span.SPAN_KIND_SERVER, second.span_id)
    assert len(one.spans) == 4
    assert {span.trace_id.hex() for span in one.spans} == {"ab" * 16}
    assert echo.span_id.hex() == found.echo.contexts[0].trace.span_id
    assert relay.start_time_unix_nano <= second.start_time_unix_nano <= second.end_time_unix_nano <= relay.end_time_unix_nano
    assert {span.name for span in one.spans} == {"echo.v1.EchoService/Say"}
    assert attributes(echo)["rpc.status_code"] == "OK"


async def test_a_trace_that_is_not_sampled_has_no_spans() -> None:
    async with traced(SAMPLED[:-2] + b"00") as (found, one):
        await found.caller.say(pb.SayRequest(n=1))
    assert one.spans == []


async def test_the_exporters_own_requests_are_no_spans() -> None:
    async with traced() as (found, one):
        await found.client.say(pb.SayRequest(n=1))
        await turn_until(lambda: len(found.rows.of(Kind.SERVER)) == 1)
    assert len(one.spans) == 2
    assert len(found.rows.of(Kind.SERVER)) == 1


async def test_an_error_is_one_of_the_client_and_not_always_of_the_server() -> None:
    async with traced() as (found, one):
        with pytest.raises(RpcError):
            await found.client.fail(pb.FailRequest(code=5, message="secret text"))
        await turn_until(lambda: len(found.rows.of(Kind.SERVER)) == 1)
    client, server = of(one, Span.SPAN_KIND_CLIENT), of(one, Span.SPAN_KIND_SERVER)
    assert (client.status.code, server.status.code) == (2, 0)
    assert attributes(server)["error.type"] == "NOT_FOUND"
    assert attributes(client)["towpath.error.from"] == "peer"
    assert b"secret" not in b"".join(request.SerializeToString() for request in one.requests)
