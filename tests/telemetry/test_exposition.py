"""The exposition: what prometheus-client would write of the same metrics, in the format that the scraper prefers, in pieces."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
from echo.v1.echo_towpath import SAY
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Counter, Gauge, Histogram, Info, Metric, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from towpath._core.errors import SetupError
from towpath._telemetry.exposition import Format, blocks, exposition, format_for, write_exposition, written
from towpath._telemetry.histogram import FINE, KeptTrace
from towpath._telemetry.metrics import CallMetrics

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What Prometheus 3 sends."""


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        (PROMETHEUS, Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0, text/plain", Format.OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.9", Format.TEXT),
        ("application/openmetrics-text; version=1.0.0; q=0, */*", Format.TEXT),
        ("application/openmetrics-text; version=0.0.1", Format.TEXT),
        ("application/openmetrics-text; version=2.0.0", Format.TEXT),
        ("application/openmetrics-text; q=much", Format.TEXT),
        (";;,=,q=,\x00", Format.TEXT),
        ("application/json", Format.TEXT),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept: str, form: Format) -> None:
    assert format_for(accept) is form


@given(st.text())
def test_any_accept_has_a_format(accept: str) -> None:
    assert format_for(accept) in Format


def filled() -> CallMetrics:
    """Metrics of each kind, with values that need escaping and more samples than a block has."""
    metrics = CallMetrics(by=["tenant"])
    for index in range(300):
        metrics.histograms[0].observe(("grpc", "a.B/C", "OK", "", 'with "\\ and\nbreak\u2028', f"t{index}"), index / 1000)
    registry = metrics.registry
    counter = Counter("shop_orders", "How many,\nand \\ why.", ["kind"], registry=registry)
    for index in range(250):
        counter.labels(f"kind {index}\u0085").inc(index)
    Gauge("shop_load", "Load.", registry=registry).set(float("nan"))
    Summary("shop_size", "Size.", ["x"], registry=registry).labels("1").observe(3)
    own = Histogram("shop_wait_seconds", "Wait.", ["x"], registry=registry)
    for index in range(30):
        own.labels(str(index)).observe(index)
    Info("shop_build", "Build.", registry=registry).info({"version": "1"})
    Counter("shop_none", "Without a sample.", ["x"], registry=registry)
    return metrics


def read(families: Iterable[Metric]) -> list[tuple[str, str, str, list[str]]]:
    """The families in order, each with its samples. A value is text here, since a NaN is not equal to itself."""
    return [
        (family.name, family.type, family.documentation, sorted(f"{one[0]} {sorted(one[1].items())} {one[2]}" for one in family.samples))
        for family in families
    ]


def test_the_text_is_what_prometheus_client_writes_of_the_same_samples() -> None:
    registry = filled().registry
    assert read(text_string_to_metric_families(exposition(registry))) == read(
        text_string_to_metric_families(generate_latest(registry).decode())
    )


def test_open_metrics_are_what_prometheus_client_writes_of_the_same_samples() -> None:
    registry = filled().registry
    text = exposition(registry, Format.OPENMETRICS)
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1
    assert read(read_openmetrics(text)) == read(read_openmetrics(generate_openmetrics(registry).decode()))


def test_no_block_is_long() -> None:
    assert max(block.count("\n") for block in blocks(filled().registry, Format.TEXT)) <= 110


def test_all_buckets_are_there_for_a_reader_that_asks() -> None:
    metrics = filled()
    families = text_string_to_metric_families(exposition(metrics.registry, fine=True))
    served = next(family for family in families if family.name == "rpc_server_call_duration_seconds")
    buckets = [sample for sample in served.samples if sample.labels["tenant"] == "t100" and sample.name.endswith("_bucket")]
    assert [float(sample.labels["le"]) for sample in buckets] == [*FINE, float("inf")]
    assert [sample.value for sample in buckets] == [float(bound >= 0.1) for bound in (*FINE, 1.0)]


async def test_the_loop_turns_while_a_body_is_written() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    metrics = CallMetrics(by=["tenant"])
    for index in range(1_500):
        metrics.histograms[0].observe(("grpc", "a.B/C", "OK", "", "", f"t{index}"), 0.001)
    body = await written(blocks(metrics.registry, Format.TEXT))
    counting.cancel()
    assert body.decode() == exposition(metrics.registry)
    assert turns >= 2


class TestExamples:
    def test_a_bucket_names_a_trace_that_is_kept_and_no_other(self) -> None:
        metrics = CallMetrics()
        server = metrics.histograms[0]
        values = ("grpc", "a.B/C", "OK", "", "", "")
        for seconds in (0.003, 0.3):
            server.observe(values, seconds)
        asked: list[tuple[float, float]] = []

        def kept(labels: tuple[str, ...], above: float, until: float) -> KeptTrace | None:
            assert labels == values
            asked.append((above, until))
            return KeptTrace("4bf92f3577b34da6a3ce929d0e0e4736", 0.3, 1700000000.5) if above < 0.3 <= until else None

        server.kept_trace = kept
        families = {family.name: family for family in read_openmetrics(exposition(metrics.registry, Format.OPENMETRICS))}
        examples = {
            sample.labels["le"]: sample.exemplar
            for sample in families["rpc_server_call_duration_seconds"].samples
            if sample.exemplar is not None
        }
        assert asked == [(0.002, 0.005), (0.2, 0.5)]  # only the buckets that have calls
        assert list(examples) == ["0.5"]
        assert examples["0.5"].labels == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
        assert (examples["0.5"].value, float(examples["0.5"].timestamp)) == (0.3, 1700000000.5)

    def test_the_text_format_has_none(self) -> None:
        metrics = CallMetrics()
        metrics.histograms[0].observe(("grpc", "a.B/C", "OK", "", "", ""), 0.1)
        metrics.histograms[0].kept_trace = lambda *_: KeptTrace("4bf92f3577b34da6a3ce929d0e0e4736", 0.1, 1.0)
        assert "trace_id" not in exposition(metrics.registry)


def test_a_dump_is_what_prometheus_reads_with_all_buckets(tmp_path: Path) -> None:
    metrics = CallMetrics()
    metrics.server.wrap(SAY, lambda *_: None)
    path = tmp_path / "service.prom"
    write_exposition(metrics.registry, path)
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    assert families.keys() >= {"rpc_server_call_duration_seconds", "rpc_client_call_duration_seconds"}
    served = families["rpc_server_call_duration_seconds"].samples
    assert len([sample for sample in served if sample.name.endswith("_bucket")]) == len(FINE) + 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "service.prom"
    with pytest.raises(SetupError, match=r"missing/service\.prom: No such file"):
        write_exposition(CallMetrics().registry, path)
