"""The exporter, from the ring to collectors that answer well, badly, slowly and not at all."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.telemetry.otlp.collector import Collector, collector, is_silent, partial, response
from tests.telemetry.otlp.rows import write
from towpath._telemetry.flight_recorder.ring import Writer
from towpath._telemetry.flight_recorder.row import Kind
from towpath._telemetry.otlp.exporter import SpanExporter
from towpath._telemetry.otlp.http_sender import HttpSender
from towpath._telemetry.otlp.options import Endpoint, ExportOptions
from towpath._telemetry.otlp.resource import resource
from towpath._telemetry.otlp.spans import SpanWriter

LONG = 60.0
"""Seconds, of what ends long before."""


class Exporting:
    """A ring and its exporter."""

    def __init__(self, port: int, *, rows: int = 1024, sender: Any = None, **changed: Any) -> None:
        endpoint = Endpoint("127.0.0.1", port, "/v1/traces")
        options = ExportOptions(**{"endpoint": endpoint, "queue": 100, "batch": 10, "delay": LONG, "timeout": LONG} | changed)
        self.ring = Writer(None, rows=rows)
        self.registry = CollectorRegistry()
        self.exporter = SpanExporter(
            self.ring,
            SpanWriter(self.ring.names.__getitem__, epoch=0),
            sender or HttpSender(endpoint),
            options,
            resource=resource("cart", "1.2", {"team": "shop"}),
            version="1.2",
            registry=self.registry,
        )

    def calls(self, number: int) -> None:
        """So many received calls, which are sampled."""
        for serial in range(number):
            write(self.ring, Kind.SERVER, serial=serial + 1)

    def counted(self) -> dict[str, float]:
        """The metrics by name and reason, without those that are 0."""
        return {
            sample.name.removeprefix("otel_sdk_").removesuffix("_total")
            + "".join(f"/{reason}" for reason in sample.labels.values()): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.value and not sample.name.endswith("capacity")
        }


@asynccontextmanager
async def exporting(one: Collector, **changed: Any) -> AsyncIterator[Exporting]:
    way = Exporting(one.port, **changed)
    way.exporter.start()
    try:
        yield way
    finally:
        await way.exporter.close(LONG)


async def asked(one: Collector, times: int = 1) -> None:
    """Wait until the collector was asked so often more."""
    for _ in range(times):
        await asyncio.wait_for(one.asked.get(), LONG)


async def test_spans_go_out_in_batches_with_their_resource() -> None:
    async with collector() as one:
        async with exporting(one) as way:
            way.calls(25)
            way.exporter.flush()
        assert [len(request.resource_spans[0].scope_spans[0].spans) for request in one.requests] == [10, 10, 5]
        (process,) = one.requests[0].resource_spans
        found = {pair.key: pair.value for pair in process.resource.attributes}
        assert list(found) == [
            "service.name",
            "service.instance.id",
            "process.pid",
            "telemetry.sdk.name",
            "telemetry.sdk.language",
            "telemetry.sdk.version",
            "team",
        ]
        assert (found["service.name"].string_value, found["team"].string_value) == ("cart", "shop")
        assert way.counted() == {"processor_span_processed/": 25, "exporter_span_exported/": 25}


async def test_a_full_batch_does_not_wait_and_a_span_waits_no_longer_than_it_may() -> None:
    async with collector() as one:
        async with exporting(one) as way:
            way.calls(12)
            await asked(one)
        async with exporting(one, delay=0.01) as way:
            way.calls(1)
            await asked(one)


async def test_the_end_sends_what_there_is_also_beyond_the_queue() -> None:
    async with collector() as one:
        async with exporting(one) as way:
            way.calls(300)
            write(way.ring, Kind.ATTEMPT, code=14)
        assert len(one.spans) == 301
        assert way.counted() == {"processor_span_processed/": 301, "exporter_span_exported/": 301}


async def test_a_collector_that_is_away_loses_nothing_that_has_room(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "towpath.telemetry")
    async with collector() as one:
        one.replies = [response("503 Away", retry_after="0")] * 3
        async with exporting(one) as way:
            way.calls(10)
            await asked(one, 4)
        assert len(one.spans) == 40
        assert way.counted() == {"processor_span_processed/": 10, "exporter_span_exported/": 10}
    assert [record.getMessage() for record in caplog.records] == [
        f"spans cannot be sent to http://127.0.0.1:{one.port}/v1/traces: HTTP 503 Away; up to 100 wait for it, and no call does",
        f"spans are sent to http://127.0.0.1:{one.port}/v1/traces again; 0 were dropped",
    ]


async def test_a_pause_that_the_collector_asks_for_is_kept_also_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async with collector() as one:
        one.otherwise = response("503 Away", retry_after="3600")
        async with exporting(one, rows=128) as way:
            way.calls(10)
            await asked(one)
            for _ in range(40):
                way.calls(20)
                way.exporter.flush()
        assert len(one.requests) == 1
        counted = way.counted()
        assert counted["exporter_span_exported/503"] == 10
        assert counted["processor_span_processed/queue_full"] > 0
        assert sum(value for name, value in counted.items() if name.startswith("processor")) == 810
    assert caplog.records[-1].getMessage().endswith("at the end: 810 were dropped")
    assert len(caplog.records) == 2


async def test_a_black_hole_holds_up_no_end() -> None:
    async with collector() as one:
        one.otherwise = is_silent
        way = Exporting(one.port)
        way.exporter.start()
        way.calls(30)
        await asked(one)
        await way.exporter.close(0.01)
        assert way.counted() == {
            "processor_span_processed/": 10,
            "processor_span_processed/shutdown": 20,
            "exporter_span_exported/shutdown": 10,
        }


async def test_one_more_try_is_made_at_the_end(port: int) -> None:
    way = Exporting(port)
    way.exporter.start()
    way.calls(30)
    await way.exporter.close(LONG)
    counted = way.counted()
    assert counted == {
        "processor_span_processed/": 10,
        "processor_span_processed/shutdown": 20,
        "exporter_span_exported/connection": 10,
    }


async def test_what_a_collector_refuses_for_good_is_dropped_and_the_rest_sent() -> None:
    async with collector() as one:
        one.replies = [response("400 Bad")]
        async with exporting(one) as way:
            way.calls(20)
            await asked(one, 2)
        assert way.counted() == {"processor_span_processed/": 20, "exporter_span_exported/": 10, "exporter_span_exported/400": 10}


@pytest.mark.parametrize(("rejected", "counted"), [(3, 3), (-1, 0), (2**40, 10)])
async def test_what_a_collector_does_not_keep_is_counted_and_not_sent_again(
    rejected: int, counted: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "towpath.telemetry")
    async with collector() as one:
        one.replies = [partial(rejected, "too\nold"), partial(1, "too old")]
        async with exporting(one) as way:
            way.calls(30)
            await asked(one, 3)
        assert len(one.requests) == 3
        found = way.counted()
        assert found["exporter_span_exported/rejected"] == counted + 1
    assert len(caplog.records) == 2
    assert caplog.records[0].getMessage().endswith(f"does not keep {counted} of 10 spans: too\\nold")
    assert caplog.records[1].getMessage().endswith("keeps all spans again")


async def test_a_sender_that_fails_does_not_end_the_export(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def send(self, request: bytes, timeout: float) -> Any:  # noqa: ASYNC109 - as of `Sender`
            raise ZeroDivisionError

        async def close(self) -> None: ...

    way = Exporting(1, sender=Broken())
    way.exporter.start()
    way.calls(20)
    await way.exporter.close(LONG)
    assert way.counted()["exporter_span_exported/ZeroDivisionError"] == 10
    assert way.counted()["processor_span_processed/shutdown"] == 10


async def test_an_exporter_that_never_began_ends_and_counts() -> None:
    way = Exporting(1)
    way.calls(3)
    await way.exporter.close(LONG)
    assert way.counted() == {"processor_span_processed/shutdown": 3}


async def test_an_end_that_is_cancelled_ends_all_the_same() -> None:
    async with collector() as one:
        one.otherwise = is_silent
        way = Exporting(one.port)
        way.exporter.start()
        way.calls(10)
        await asked(one)
        closing = asyncio.ensure_future(way.exporter.close(LONG))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert way.counted()["exporter_span_exported/shutdown"] == 10
