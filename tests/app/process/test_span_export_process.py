"""A process that exports its spans: to collectors that are bad, while it is told to stop, and while it forks."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from tests.app.stage import PATIENCE, importable
from tests.telemetry.otlp.collector import Reply, collector, is_silent, response
from towpath import CallOptions, connect
from towpath._core.context import Context, enter, leave
from towpath._core.propagation.trace import TraceContext
from towpath._telemetry.metrics import CallMetrics

CALLS = 40
SAMPLED = b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01"


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.chdir(tmp_path)


@contextmanager
def process(port: int, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_MAX_QUEUE_SIZE": "20",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
        "OTEL_SERVICE_NAME": "echo",
        "TOWPATH_LISTEN": "127.0.0.1:0",
        "TOWPATH_METRICS_DUMP": "metrics",
    }
    command = [sys.executable, "-m", "tests.app.process.traced_process"]
    with subprocess.Popen(command, env={**os.environ, **environ, **variables}, stderr=subprocess.PIPE, encoding="utf-8") as running:
        try:
            yield running
        finally:
            running.kill()


async def line_with(running: subprocess.Popen[str], text: str) -> str:
    assert running.stderr is not None
    while line := await asyncio.to_thread(running.stderr.readline):
        if text in line:
            return line.rstrip()
    pytest.fail(f"the process ended, and never said {text!r}")


async def called(running: subprocess.Popen[str], number: int = CALLS) -> None:
    """Make so many sampled calls, each of which must succeed."""
    async with connect((await line_with(running, " serves ")).rpartition(" ")[2], metrics=CallMetrics()) as channel:
        token = enter(Context("main", trace=TraceContext.received(SAMPLED)))
        for _ in range(number):
            assert (await EchoServiceClient(channel).say(SayRequest(), CallOptions(timeout=PATIENCE))).n == 0
        leave(token)


def stopped(running: subprocess.Popen[str]) -> dict[str, int]:
    """Stop the process. Returns what became of its spans: a count for each metric and reason."""
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 0
    families = text_string_to_metric_families(Path("metrics").read_text())
    return {
        f"{sample.name.split('_')[2]}/{sample.labels['error_type']}": int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name in ("otel_sdk_processor_span_processed_total", "otel_sdk_exporter_span_exported_total") and sample.value
    }


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"H")
    await is_silent(reader, writer)


@pytest.mark.parametrize("reply", [drips, response("503 Away", retry_after="3600")], ids=["drips", "asks for an hour"])
async def test_a_bad_collector_holds_up_neither_calls_nor_the_end(reply: Reply) -> None:
    async with collector() as one:
        one.otherwise = reply
        with process(one.port) as running:
            await called(running)
            counted = await asyncio.to_thread(stopped, running)
    assert counted.get("exporter/", 0) == 0
    assert counted["processor/"] == sum(count for name, count in counted.items() if name.startswith("exporter/"))
    assert sum(count for name, count in counted.items() if name.startswith("processor/")) == CALLS


async def test_a_collector_that_is_not_there_is_told_of_once(port: int) -> None:
    with process(port) as running:
        await called(running)
        running.send_signal(signal.SIGTERM)
        said = await asyncio.to_thread(running.stderr.read)  # pyright: ignore[reportOptionalMemberAccess] - it is a pipe
        assert await asyncio.to_thread(running.wait, PATIENCE) == 0
    about = [line for line in said.splitlines() if "spans" in line]
    assert "Connection refused; up to 20 wait for it, and no call does" in about[0]
    assert f"at the end: {CALLS} were dropped" in about[1]
    assert len(about) == 2


async def test_the_end_sends_the_last_spans_and_forks_send_none_twice() -> None:
    async with collector() as one:
        with process(one.port, FORKS="1") as running:
            await called(running)
            counted = await asyncio.to_thread(stopped, running)
        server = [span for span in one.spans if span.kind == Span.SPAN_KIND_SERVER]
        assert len({span.span_id for span in server}) == len(server) == CALLS
        assert counted == {"processor/": CALLS, "exporter/": CALLS}
        ids = {
            pair.value.int_value
            for request in one.requests
            for pair in request.resource_spans[0].resource.attributes
            if pair.key == "process.pid"
        }
        assert ids == {running.pid}


async def test_a_wrong_variable_ends_the_start_with_its_name() -> None:
    with process(1, OTEL_BSP_SCHEDULE_DELAY="5s") as running:
        said = await line_with(running, "error: ")
        assert said == "error: OTEL_BSP_SCHEDULE_DELAY: '5s' is out of range; give 1 to 3600000 milliseconds"
        assert await asyncio.to_thread(running.wait, PATIENCE) == 2
