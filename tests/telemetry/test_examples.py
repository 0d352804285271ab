"""Follow a thousand examples of a scrape: each one opens a trace that the recorder keeps, of a call as the bucket says."""

import random

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from towpath._core.errors import Code
from towpath._telemetry.examples import KeptExamples
from towpath._telemetry.exposition import Format, exposition
from towpath._telemetry.flight_recorder.row import MARKS, NOT_REACHED, Kind, Row
from towpath._telemetry.metrics import CallMetrics

NAMES = ["", *(f"shop.v1.Shop/M{index}" for index in range(10)), "acme"]
CODES = [0, *(code.value for code in Code)]


class Recorder:
    """The rows that are kept, and the traces that they belong to."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.traces: dict[str, Row] = {}

    def keep(self, kind: Kind, code: int, method: int, seconds: float, tenant: int = 0, *, reached: bool = True) -> None:
        trace = f"{len(self.rows) + 1:032x}"
        ended = int(seconds * 1e6) if reached else NOT_REACHED
        marks = (*[NOT_REACHED] * (MARKS - 1), ended)
        identity = f"00-{trace}-{1:016x}".encode()
        row = Row(len(self.rows) + 1, kind, code, 2, 0, 1000.0, identity, 1, 1, method, 0, tenant, 0, marks, 0, 0)
        self.rows.append(row)
        self.traces[trace] = row

    def examples(self) -> KeptExamples:
        return KeptExamples(lambda: self.rows, NAMES.__getitem__)


def name_of(code: int) -> str:
    return "OK" if code == 0 else Code(code).name


def labels(method: int, code: int, tenant: str = "") -> tuple[str, ...]:
    return ("grpc", NAMES[method], name_of(code), "", "", tenant)


async def test_each_of_a_thousand_examples_opens_a_trace_that_is_kept() -> None:
    recorder, metrics, chance = Recorder(), CallMetrics(), random.Random(20)
    for _ in range(8_000):
        method, code, seconds = chance.randrange(1, 11), chance.choice(CODES), 10 ** chance.uniform(-4.5, 1.2)
        side, kind = chance.choice([(0, Kind.SERVER), (1, Kind.ATTEMPT)])
        metrics.histograms[side].observe(labels(method, code), seconds)
        if chance.random() < 0.6:
            recorder.keep(kind, code, method, seconds)
    recorder.examples().add_to(metrics)
    for prepare in metrics.before_scrape:
        await prepare()
    followed = 0
    for family in text_string_to_metric_families(exposition(metrics.registry, Format.OPENMETRICS)):
        lower: dict[str, float] = {}
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                series = str({**sample.labels, "le": ""})
                above, lower[series] = lower.get(series, 0.0), float(sample.labels["le"])
                if sample.exemplar is not None:
                    row = recorder.traces[sample.exemplar.labels["trace_id"]]
                    assert (NAMES[row.method], name_of(row.code)) == (sample.labels["rpc_method"], sample.labels["rpc_status_code"])
                    assert (row.kind == Kind.SERVER) == family.name.startswith("rpc_server")
                    assert above < sample.exemplar.value <= lower[series]
                    followed += 1
    assert followed >= 1_000


async def test_an_example_is_the_latest_and_is_gone_with_its_trace() -> None:
    recorder = Recorder()
    recorder.keep(Kind.SERVER, 0, 1, 0.0031)
    recorder.keep(Kind.SERVER, 0, 1, 0.0031)
    examples = recorder.examples()
    await examples.prepare()
    found = examples.kept_trace("server", labels(1, 0), 0.002, 0.005)
    assert found is not None
    assert found.trace_id == f"{2:032x}"
    assert examples.kept_trace("server", labels(1, 0), 0.005, 0.01) is None
    assert examples.kept_trace("client", labels(1, 0), 0.002, 0.005) is None
    recorder.rows.clear()
    await examples.prepare()
    assert examples.kept_trace("server", labels(1, 0), 0.002, 0.005) is None


async def test_a_series_of_a_tenant_has_examples_of_that_tenant_alone() -> None:
    recorder = Recorder()
    recorder.keep(Kind.SERVER, 0, 1, 0.003)
    examples = recorder.examples()
    await examples.prepare()
    assert examples.kept_trace("server", labels(1, 0, "acme"), 0.002, 0.005) is None
    recorder.keep(Kind.SERVER, 0, 1, 0.003, NAMES.index("acme"))
    await examples.prepare()
    assert examples.kept_trace("server", labels(1, 0, "acme"), 0.002, 0.005) is not None
    assert examples.kept_trace("server", labels(1, 0), 0.002, 0.005) is not None


async def test_a_row_that_does_not_say_how_it_ended_is_no_example() -> None:
    recorder = Recorder()
    recorder.keep(Kind.SERVER, 255, 1, 0.003)
    recorder.keep(Kind.SERVER, 0, 1, 0.003, reached=False)
    examples = recorder.examples()
    await examples.prepare()
    assert examples.kept_trace("server", labels(1, 0), 0.0, float("inf")) is None


async def test_a_row_without_a_trace_is_no_example() -> None:
    recorder = Recorder()
    recorder.keep(Kind.SERVER, 0, 1, 0.003)
    recorder.rows[0] = recorder.rows[0]._replace(trace_and_span=b"x" * 52)
    examples = recorder.examples()
    await examples.prepare()
    assert examples.kept_trace("server", labels(1, 0), 0.0, float("inf")) is None
