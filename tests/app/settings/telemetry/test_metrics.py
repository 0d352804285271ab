"""The keys of the metrics."""

from pathlib import Path

import pytest

from towpath import App
from towpath._app.settings.telemetry.metrics import MetricsOptions
from towpath._core.errors import SetupError
from towpath.settings import load


def read(folder: Path, text: str) -> MetricsOptions:
    (folder / "towpath.toml").write_text(f"[telemetry]\n{text}")
    return load(folder / "towpath.toml", {}).telemetry.metrics


def test_without_keys_all_has_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "") == MetricsOptions() == load(None, {}).telemetry.metrics


def test_each_key_is_read(tmp_path: Path) -> None:
    text = 'metrics_by = ["tenant", "peer", "tenant"]\nmetrics_series = 64'
    assert read(tmp_path, text) == MetricsOptions(by=("peer", "tenant"), series=64)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('metrics_by = ["caller"]', '"caller" is nothing that calls are told apart by; known are "peer" and "tenant"'),
        ("metrics_by = 'peer'", "telemetry.metrics_by: expected `array`, got `str`"),
        ("metrics_series = 63", "telemetry.metrics_series: 63 is out of range; give 64 to 100000"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(SetupError) as caught:
        read(tmp_path, text)
    assert error in str(caught.value)


def test_an_application_counts_as_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text('[telemetry]\nmetrics_by = ["tenant"]\nmetrics_series = 64')
    server = App(load(tmp_path / "towpath.toml", {})).metrics.histograms[0]
    for index in range(100):
        server.observe(("grpc", "a.B/C", "OK", "", "", f"t{index}"), 0.1)
    assert len(server.cap.series) == 57
