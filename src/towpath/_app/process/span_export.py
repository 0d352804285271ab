"""The exporter of a process (`towpath._telemetry.otlp`), put together from its settings.

Over gRPC spans go through towpath's own channel, without the layers of calls: nothing records, retries or counts them. Over HTTP a name is
looked up as a channel does it, so that one that nobody answers for holds up no end of the process.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from google.protobuf.empty_pb2 import Empty
from prometheus_client import CollectorRegistry

from towpath._app.settings.service_file import ServiceConfig
from towpath._core import clock
from towpath._core.context import CallOptions
from towpath._core.disclosure.printable import printable
from towpath._core.errors import Code, RpcError, SetupError
from towpath._core.metadata import Metadata
from towpath._core.service import MethodSpec
from towpath._telemetry.flight_recorder import process_recorder
from towpath._telemetry.otlp.exporter import SpanExporter
from towpath._telemetry.otlp.http_sender import HttpSender
from towpath._telemetry.otlp.options import ExportOptions
from towpath._telemetry.otlp.resource import resource
from towpath._telemetry.otlp.sender import Answer, ExportError, Sender, answer
from towpath._telemetry.otlp.spans import SpanWriter
from towpath._transport import Channel
from towpath._transport.client.endpoints.lookup import lookup
from towpath._transport.tls import ClientTls

LAST_SPANS: Final = 0.75
"""Seconds for which the end of a process waits for a collector to take the last spans."""

# An Empty keeps the fields that it does not know, and gives them back when it is serialised. So no generated code of OpenTelemetry is
# needed.
EXPORT: Final = MethodSpec(service="opentelemetry.proto.collector.trace.v1.TraceService", name="Export", request=Empty, response=Empty)

_RETRYABLE: Final = frozenset({Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.OUT_OF_RANGE, Code.UNAVAILABLE, Code.DATA_LOSS})
"""The codes of OTLP's table after which the same spans may be sent again. RESOURCE_EXHAUSTED is one if the collector says when."""

_WILDCARDS: Final = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104 - nobody listens there


log = logging.getLogger("towpath.telemetry")


class GrpcSender:
    """Sends over gRPC. Raises SetupError for a header that is no metadata, and for files that cannot be used."""

    def __init__(self, options: ExportOptions) -> None:
        at = options.endpoint
        tls = ClientTls(ca=options.certificate, certificate=options.client_certificate, key=options.client_key) if at.is_secure else None
        try:
            self._metadata: Final = Metadata(options.headers)
        except ValueError as error:
            raise SetupError(f"OTEL_EXPORTER_OTLP_HEADERS: {error}; a header of this name cannot be sent over gRPC") from None
        host = f"[{at.host}]" if ":" in at.host else at.host
        compression = "gzip" if options.compression == "gzip" else None
        self._channel: Final = Channel(f"{host}:{at.port}", tls=tls, insecure=tls is None, compression=compression)
        self._call: Final = self._channel.bind(EXPORT)

    async def send(self, request: bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - as of `Sender`
        """Send a request."""
        try:
            got = await self._call(Empty.FromString(request), CallOptions(timeout=timeout, metadata=self._metadata))
        except RpcError as error:
            after = _delay(error)
            is_retryable = error.code in _RETRYABLE or (error.code is Code.RESOURCE_EXHAUSTED and after is not None)
            reason = f"{error.code.name}: {printable(error.message[:200])}"
            raise ExportError(reason, error.code.name, is_retryable=is_retryable, after=after) from None
        return answer(got.SerializeToString())

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


def join_user_spans(config: ServiceConfig) -> None:
    """Let spans of users and of other libraries begin inside those of calls, if the configuration says so. Raises SetupError without the
    extra `otel`."""
    if config.telemetry.otlp.opentelemetry:
        try:
            from towpath._telemetry import user_spans  # noqa: PLC0415 - nothing else imports OpenTelemetry
        except ImportError as error:
            raise SetupError(f"telemetry.opentelemetry needs the extra otel, pip install 'towpath[otel]': {error}") from None
        user_spans.install()


class Exporting(NamedTuple):
    """The export of a process."""

    exporter: SpanExporter | None
    """None if nothing is exported."""

    def with_user_spans(self, config: ServiceConfig) -> None:
        """Export the spans of users, too, if the configuration joins them and the program has set up no export of its own by now."""
        if self.exporter is not None and config.telemetry.otlp.opentelemetry:
            from towpath._telemetry import user_spans  # noqa: PLC0415 - as in `join_user_spans`

            user_spans.export(self.exporter.add)

    async def close(self) -> None:
        """Export what is left, for `LAST_SPANS`."""
        if self.exporter is not None:
            await self.exporter.close(LAST_SPANS)


@asynccontextmanager
async def exporting(config: ServiceConfig, registry: CollectorRegistry) -> AsyncGenerator[Exporting]:
    """Export the spans of what the process' recorder has of the block's time. Nothing is exported if there is nowhere to export to, or no
    recorder, which the log says. `registry` gets the metrics. Raises SetupError for what cannot be used."""
    options, recorder = config.telemetry.otlp.export, process_recorder.of_process()
    if options is None:
        yield Exporting(None)
        return
    if recorder is None:
        log.warning("no spans are sent to %s, since no calls are recorded; set telemetry.recorder = true", options.endpoint)
        yield Exporting(None)
        return
    ring, made_by = recorder.writer, version("towpath")
    exporter = SpanExporter(
        ring,
        SpanWriter(ring.names.__getitem__, epoch=epoch(), own=_own_address(config)),
        sender_of(options),
        options,
        resource=resource(config.name, made_by, options.resource),
        version=made_by,
        registry=registry,
    )
    exporter.start()
    export = Exporting(exporter)
    try:
        yield export
    finally:
        await export.close()


def sender_of(options: ExportOptions) -> Sender:
    """What sends to the collector of `options`. Raises SetupError for what cannot be used."""
    if options.protocol == "grpc":
        return GrpcSender(options)
    at, tls = options.endpoint, _tls(options) if options.endpoint.is_secure else None

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        failed: OSError | None = None
        for *_, address in await lookup(at.host, at.port):
            try:
                return await asyncio.open_connection(*address[:2], ssl=tls, server_hostname=None if tls is None else at.host)
            except OSError as error:
                failed = failed or error
        raise failed or OSError(f"{at.host} has no address")

    return HttpSender(at, headers=options.headers, compress=options.compression == "gzip", dial=dial)


def epoch() -> int:
    """The time of day, in nanoseconds since 1970, when this process' monotonic clock was at 0."""
    before, now, after = clock.now(), time.time_ns(), clock.now()
    return now - int((before + after) / 2 * 1e9)


def _tls(options: ExportOptions) -> ssl.SSLContext:
    name, path = "CERTIFICATE", options.certificate
    try:
        context = ssl.create_default_context(cafile=path)
        name, path = "CLIENT_CERTIFICATE", options.client_certificate
        if path is not None:
            context.load_cert_chain(path, options.client_key)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SetupError(f"OTEL_EXPORTER_OTLP_{name}: {path} cannot be used: {reason}; name a PEM file") from None
    return context


def _own_address(config: ServiceConfig) -> dict[str, str | int]:
    """The attributes that say where received calls came to."""
    host, port = getattr(config.listen, "host", ""), getattr(config.listen, "port", 0)
    if not port:
        return {}
    return {"server.port": port} if host in _WILDCARDS else {"server.address": host, "server.port": port}


def _delay(error: RpcError) -> float | None:
    """Seconds after which the collector wants to hear again; None if it does not say."""
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.rpc.RetryInfo":
            delay: Any = getattr(detail, "retry_delay")  # noqa: B009 - of a message that is not known here by its class
            return max(0.0, delay.seconds + delay.nanos / 1e9)
    pushback = error.pushback
    return None if pushback is None or pushback < 0 else pushback
