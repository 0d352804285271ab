"""The guide to spans: its settings are read, and its handler's spans are inside the calls that a process exports."""

import asyncio
import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from tests.docs.blocks import ROOT, blocks
from tests.docs.test_python_blocks import names
from tests.echo_service import turn_until
from tests.telemetry.flight_recorder.scene import recording
from tests.telemetry.otlp.collector import collector
from towpath import App, connect
from towpath._app.process.span_export import exporting
from towpath._app.settings.service_file import ServiceConfig
from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry import user_spans
from towpath._telemetry.flight_recorder.row import Kind
from towpath._telemetry.metric_names import OF_EXPORTERS
from towpath._telemetry.otlp.options import Endpoint
from towpath._telemetry.otlp.spans import CLIENT_PHASES, SERVER_PHASES
from towpath.settings import load

__all__ = ["names"]  # the fixture

PAGE = (ROOT / "docs/howto/opentelemetry.md").read_text()
EXPORTED, BRIDGED = (block.body for block in blocks("opentelemetry.md", PAGE) if block.kind == "toml")
HANDLER, SUBMITTED = (block.body for block in blocks("opentelemetry.md", PAGE) if block.kind == "python")


def configured(folder: Path, text: str) -> ServiceConfig:
    (folder / "towpath.toml").write_text(text)
    return load(folder / "towpath.toml", {})


async def test_spans_of_a_handler_are_inside_the_call_that_is_exported(
    tmp_path: Path, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert configured(tmp_path, BRIDGED).telemetry.otlp.opentelemetry
    config = configured(tmp_path, EXPORTED)
    export = config.telemetry.otlp.export
    assert export is not None
    assert str(export.endpoint) == "http://collector:4318/v1/traces"
    users, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(users))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    user_spans.install()
    try:
        async with collector() as one:
            here = replace(export, endpoint=Endpoint("127.0.0.1", one.port, "/v1/traces"))
            config = replace(config, telemetry=replace(config.telemetry, otlp=replace(config.telemetry.otlp, export=here)))
            with recording() as rows:
                async with exporting(config, CollectorRegistry()):
                    exec(HANDLER, names)

                    class Orders(names["Orders"]):
                        async def book(self, _: Any) -> Any:
                            return SimpleNamespace(id="A1")

                    async with App(config) as app:
                        app.add(Orders())
                        await app.start("127.0.0.1", 0)
                        async with connect(app.address) as channel:
                            token = enter(Context("main", trace=TraceContext.received(b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01")))
                            answer = await names["OrderServiceClient"](channel).place_order(names["PlaceOrderRequest"]())
                            leave(token)
                        await turn_until(lambda: bool(rows.of(Kind.SERVER)))
            assert answer.order_id == "A1"
            (span,) = users.get_finished_spans()
            (server,) = (found for found in one.spans if found.kind == found.SPAN_KIND_SERVER)
            assert span.parent is not None
            assert f"{span.parent.span_id:016x}" == server.span_id.hex()
            assert span.attributes == {"orders.warehouse": "north"}
            shown = {pair.key: pair.value.string_value for pair in one.requests[0].resource_spans[0].resource.attributes}
            assert shown["deployment.environment.name"] == "production"
            for exported in one.spans:
                for pair in exported.attributes:
                    known = pair.key in PAGE or pair.key.startswith("towpath.phase.") or pair.key in ("client.port", "network.peer.port")
                    assert known, pair.key
    finally:
        user_spans.uninstall()


async def test_an_executor_is_given_the_calls_context() -> None:
    space: dict[str, Any] = {}
    exec(SUBMITTED, space)
    value: ContextVar[str] = ContextVar("value", default="")
    value.set("of the call")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(value.get).result() == ""
        assert await asyncio.wrap_future(space["submit_in_call"](pool, value.get)) == "of the call"


def test_the_page_names_what_there_is() -> None:
    assert all(f"`{phase}`" in PAGE for phase in (*SERVER_PHASES, *CLIENT_PHASES))
    counters = [metric.exposed for metric in OF_EXPORTERS if metric.kind == "counter"]
    assert counters == re.findall(r"`(otel_\w+)`", PAGE)
    assert "pip install 'towpath[otel]'" in PAGE
    assert inspect.ismodule(user_spans)
