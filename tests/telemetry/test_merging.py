"""The metrics of several workers as those of one service."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.telemetry.test_exposition import filled
from towpath._telemetry.exposition import Format, exposition
from towpath._telemetry.histogram import KeptTrace
from towpath._telemetry.merging import merged
from towpath._telemetry.metrics import CallMetrics


def together(texts: dict[str, str]) -> str:
    return "".join(merged(texts))


def samples(text: str) -> list[str]:
    families = text_string_to_metric_families(text)
    return sorted(f"{one.name} {sorted(one.labels.items())} {one.value}" for family in families for one in family.samples)


def expected(texts: dict[str, str]) -> list[str]:
    """What reading each sample of each worker, and giving it the label, comes to."""
    return sorted(
        f"{one.name} {sorted({**one.labels, 'worker': worker}.items())} {one.value}"
        for worker, text in texts.items()
        for family in text_string_to_metric_families(text)
        for one in family.samples
    )


def test_each_sample_is_there_once_with_its_worker() -> None:
    texts = {"0": exposition(filled().registry), "1": exposition(filled().registry), "once": exposition(CallMetrics().registry)}
    text = together(texts)
    assert samples(text) == expected(texts)
    heads = [line for line in text.split("\n") if line.startswith("# TYPE ")]
    assert len(heads) == len(set(heads))


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), max_size=4), st.floats(allow_nan=False))
def test_no_label_breaks_a_line(labels: list[tuple[str, float]], plain: float) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("x_load", 'What it\nis, "so" {to} say.', ["kind"], registry=registry)
    for kind, value in labels:
        if kind.isprintable() or not any(0xD800 <= ord(character) <= 0xDFFF for character in kind):
            gauge.labels(kind).set(value)
    Gauge("x_plain", "", registry=registry).set(plain)
    texts = {"0": exposition(registry), "1": exposition(registry)}
    assert samples(together(texts)) == expected(texts)


def test_a_label_worker_that_is_there_already_is_kept_under_another_name() -> None:
    registry = CollectorRegistry()
    counter = Counter("x_jobs", "Jobs.", ["a", "worker"], registry=registry)
    counter.labels('{worker="', "me").inc()
    (one,) = [line for line in together({"3": exposition(registry)}).split("\n") if line.startswith("x_jobs_total")]
    assert one == 'x_jobs_total{worker="3",a="{worker=\\"",exported_worker="me"} 1.0'


def test_open_metrics_are_merged_with_their_examples() -> None:
    metrics = CallMetrics()
    metrics.histograms[0].observe(("grpc", "a.B/C", "OK", "", "", ""), 0.1)
    metrics.histograms[0].kept_trace = lambda *_: KeptTrace("4bf92f3577b34da6a3ce929d0e0e4736", 0.1, 1.0)
    text = exposition(metrics.registry, Format.OPENMETRICS)
    families = {family.name: family for family in read_openmetrics(f"{together({'0': text, '1': text})}# EOF\n")}
    served = families["rpc_server_call_duration_seconds"].samples
    assert {sample.labels["worker"] for sample in served if sample.exemplar} == {"0", "1"}


def test_what_is_no_exposition_is_left_out() -> None:
    assert together({"0": "", "1": "<html>", "2": "# EOF\n"}) == ""
    assert together({"0": "junk\n# HELP a b\n# TYPE a gauge\na 1.0\n"}) == '# HELP a b\n# TYPE a gauge\na{worker="0"} 1.0\n'
    assert together({"0": "# HELP a"}) == "# HELP a"
