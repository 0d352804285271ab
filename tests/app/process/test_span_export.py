"""The exporter of a process, against a collector that is towpath's own server with OTLP's contract, and against one over HTTP."""

import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from prometheus_client import CollectorRegistry

from tests.telemetry.flight_recorder.scene import recording
from tests.telemetry.otlp.collector import collector
from tests.telemetry.otlp.rows import write
from tests.telemetry.otlp.test_spans import attributes
from towpath._app.process.span_export import EXPORT, GrpcSender, epoch, exporting, join_user_spans, sender_of
from towpath._app.settings.service_file import ServiceConfig
from towpath._app.settings.telemetry.otlp import OtlpOptions
from towpath._app.settings.telemetry.telemetry import TelemetryConfig
from towpath._core import clock
from towpath._core.context import Context
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.service import MethodSpec, Service, ServiceSpec
from towpath._telemetry import user_spans
from towpath._telemetry.flight_recorder.row import Kind
from towpath._telemetry.otlp.options import Endpoint, ExportOptions
from towpath._telemetry.otlp.sender import Answer, ExportError
from towpath._telemetry.otlp.spans import request, scope_spans
from towpath._transport import Server
from towpath._transport.address import Address
from towpath._transport.tls import ServerTls

LONG = 60.0
REQUEST = request(b"", scope_spans("1"), [])


class Traces(Service):
    """OTLP's service, as OpenTelemetry's own messages have it."""

    spec = ServiceSpec(
        name=EXPORT.service,
        methods=(
            MethodSpec(service=EXPORT.service, name=EXPORT.name, request=ExportTraceServiceRequest, response=ExportTraceServiceResponse),
        ),
        attributes={"Export": "export"},
    )

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.contexts: list[Context] = []
        self.replies: list[RpcError | ExportTraceServiceResponse] = []

    async def export(self, request: ExportTraceServiceRequest, ctx: Context) -> ExportTraceServiceResponse:
        self.requests.append(request)
        self.contexts.append(ctx)
        reply = self.replies.pop(0) if self.replies else ExportTraceServiceResponse()
        if isinstance(reply, RpcError):
            raise reply
        return reply


@asynccontextmanager
async def grpc_collector(tls: ServerTls | None = None) -> AsyncIterator[tuple[Traces, int]]:
    one = Traces()
    server = Server([one])
    await server.start("127.0.0.1", 0, tls=tls)
    try:
        yield one, int(server.address.rpartition(":")[2])
    finally:
        await server.close(0)


def options(port: int, **changed: Any) -> ExportOptions:
    return ExportOptions(**{"endpoint": Endpoint("127.0.0.1", port), "protocol": "grpc", "timeout": LONG} | changed)


async def test_spans_go_over_towpaths_own_channel() -> None:
    async with grpc_collector() as (one, port):
        way = GrpcSender(options(port, headers=(("authorization", "Basic abc"),), compression="gzip"))
        assert await way.send(REQUEST, LONG) == Answer()
        answer = ExportTraceServiceResponse()
        answer.partial_success.rejected_spans = 2
        answer.partial_success.error_message = "too old"
        one.replies = [answer]
        assert await way.send(REQUEST, LONG) == Answer(2, "too old")
        await way.close()
        assert [got.SerializeToString() for got in one.requests] == [REQUEST, REQUEST]
        assert one.contexts[0].metadata.get("authorization") == "Basic abc"
        assert not one.contexts[0].trace.sampled


def wants(seconds: float) -> RetryInfo:
    delay = Duration()
    delay.FromNanoseconds(int(seconds * 1e9))
    return RetryInfo(retry_delay=delay)


@pytest.mark.parametrize(
    ("error", "is_retryable", "after"),
    [
        (RpcError(Code.UNAVAILABLE, "away"), True, None),
        (RpcError(Code.UNAVAILABLE, "away", [wants(1.5)]), True, 1.5),
        (RpcError(Code.RESOURCE_EXHAUSTED, "too large"), False, None),
        (RpcError(Code.RESOURCE_EXHAUSTED, "later", [wants(3600)]), True, 3600.0),
        (RpcError(Code.ABORTED), True, None),
        (RpcError(Code.INVALID_ARGUMENT, "no"), False, None),
        (RpcError(Code.UNAUTHENTICATED, "who?"), False, None),
        (RpcError(Code.INTERNAL, "bug"), False, None),
    ],
)
async def test_a_status_says_whether_to_come_again(error: RpcError, is_retryable: bool, after: float | None) -> None:
    async with grpc_collector() as (one, port):
        one.replies = [error]
        way = GrpcSender(options(port))
        with pytest.raises(ExportError) as caught:
            await way.send(REQUEST, LONG)
        await way.close()
        assert (caught.value.error_type, caught.value.is_retryable, caught.value.after) == (error.code.name, is_retryable, after)


async def test_a_server_that_is_no_collector_is_left_alone() -> None:
    server = Server([])
    await server.start("127.0.0.1", 0)
    way = GrpcSender(options(int(server.address.rpartition(":")[2])))
    with pytest.raises(ExportError) as caught:
        await way.send(REQUEST, LONG)
    assert (caught.value.error_type, caught.value.is_retryable) == ("UNIMPLEMENTED", False)
    await way.close()
    await server.close(0)


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    return {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}


async def test_spans_go_over_tls_with_a_certificate_of_their_own(certificates: dict[str, Path]) -> None:
    files = {"certificate": certificates["ca"], "client_certificate": certificates["cert"], "client_key": certificates["key"]}
    served = ServerTls(certificate=certificates["cert"], key=certificates["key"], client_ca=certificates["ca"])
    async with grpc_collector(served) as (one, port):
        way = sender_of(options(port, **files, endpoint=Endpoint("localhost", port, is_secure=True)))
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()
        assert len(one.requests) == 1
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates["ca"])
    context.load_cert_chain(certificates["cert"], certificates["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    async with collector(context) as two:
        at = Endpoint("localhost", two.port, "/v1/traces", is_secure=True)
        way = sender_of(options(two.port, **files, endpoint=at, protocol="http/protobuf"))
        assert await way.send(REQUEST, LONG) == Answer()
        await way.close()


@pytest.mark.parametrize("name", ["certificate", "client_certificate"])
def test_a_file_that_is_no_certificate_is_named(name: str, tmp_path: Path, certificates: dict[str, Path]) -> None:
    (tmp_path / "bad.pem").write_text("no PEM")
    files = {"certificate": certificates["ca"], "client_certificate": certificates["cert"], "client_key": certificates["key"]}
    bad = {**files, name: tmp_path / "bad.pem"}
    at = Endpoint("localhost", 1, "/", is_secure=True)
    with pytest.raises(SetupError, match=rf"^OTEL_EXPORTER_OTLP_{name.upper()}: .*bad\.pem cannot be used: .*; name a PEM file$"):
        sender_of(options(1, **bad, endpoint=at, protocol="http/protobuf"))
    with pytest.raises(SetupError, match=r"bad\.pem"):
        sender_of(options(1, **bad, endpoint=at))


def test_a_header_that_grpc_has_for_itself_is_named() -> None:
    with pytest.raises(SetupError, match=r"^OTEL_EXPORTER_OTLP_HEADERS: .*grpc-timeout"):
        GrpcSender(options(1, headers=(("grpc-timeout", "1S"),)))


async def test_a_collector_whose_name_nobody_knows_is_away() -> None:
    at = Endpoint("collector.invalid", 4318, "/v1/traces")
    way = sender_of(options(1, endpoint=at, protocol="http/protobuf"))
    with pytest.raises(ExportError) as caught:
        await way.send(REQUEST, LONG)
    assert caught.value.is_retryable
    await way.close()


def test_users_spans_are_joined_if_the_configuration_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    join_user_spans(ServiceConfig())
    assert not user_spans.is_installed()
    wanted = replace(ServiceConfig(), telemetry=TelemetryConfig(otlp=OtlpOptions(opentelemetry=True)))
    join_user_spans(wanted)
    assert user_spans.is_installed()
    user_spans.uninstall()
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "towpath._telemetry.user_spans")
    monkeypatch.delattr("towpath._telemetry.user_spans")
    with pytest.raises(SetupError, match=r"^telemetry\.opentelemetry needs the extra otel, pip install 'towpath\[otel\]'"):
        join_user_spans(wanted)


def config(export: ExportOptions | None, **changed: Any) -> ServiceConfig:
    return replace(ServiceConfig(), name="cart", telemetry=TelemetryConfig(otlp=OtlpOptions(export=export)), **changed)


async def test_a_process_exports_the_rows_of_its_ring() -> None:
    registry = CollectorRegistry()
    async with grpc_collector() as (one, port):
        with recording() as rows:
            async with exporting(config(options(port), listen=Address("10.0.0.9", 8080)), registry):
                write(rows.writer, Kind.SERVER, base=clock.now())
        (exported,) = one.requests
    (span,) = exported.resource_spans[0].scope_spans[0].spans
    assert (attributes(span)["server.address"], attributes(span)["server.port"]) == ("10.0.0.9", 8080)
    assert abs(span.start_time_unix_nano - time.time_ns()) < 300e9
    found = {pair.key: pair.value.string_value for pair in exported.resource_spans[0].resource.attributes}
    assert found["service.name"] == "cart"
    assert registry.get_sample_value("otel_sdk_exporter_span_exported_total", {"error_type": ""}) == 1


async def test_without_an_endpoint_or_a_recorder_nothing_is_exported(caplog: pytest.LogCaptureFixture) -> None:
    with recording():
        async with exporting(config(None), CollectorRegistry()) as export:
            assert export.exporter is None
            await export.close()
    assert caplog.records == []
    async with exporting(config(options(1)), CollectorRegistry()) as export:
        assert export.exporter is None
    assert [record.getMessage() for record in caplog.records] == [
        "no spans are sent to http://127.0.0.1:1, since no calls are recorded; set telemetry.recorder = true"
    ]


@pytest.mark.parametrize(("listen", "expected"), [(Address("0.0.0.0", 80), {"server.port": 80}), (Address("127.0.0.1", 0), {})])
async def test_an_address_that_says_nothing_is_left_out(listen: Address, expected: dict[str, int], port: int) -> None:
    with recording() as rows:
        async with collector() as one:
            at = Endpoint("127.0.0.1", one.port, "/v1/traces")
            async with exporting(config(options(1, endpoint=at, protocol="http/protobuf"), listen=listen), CollectorRegistry()):
                write(rows.writer, Kind.SERVER)
        found = attributes(one.spans[0])
    assert {key: value for key, value in found.items() if key.startswith("server.")} == expected


def test_the_epoch_is_when_the_clock_was_at_zero() -> None:
    assert abs(epoch() + clock.now() * 1e9 - time.time_ns()) < 60e9
