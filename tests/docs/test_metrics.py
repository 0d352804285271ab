"""The guide to metrics is run as a reader would: its file is loaded, its program is started, and what it asks for is there."""

import asyncio
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from tests.app.stage import PATIENCE
from tests.echo_service import Echo
from towpath import App
from towpath._app.process.admin_server import admin
from towpath._telemetry.histogram import FINE
from towpath._telemetry.metric_names import METRICS
from towpath._transport import Address
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "metrics.md").read_text()
SETTINGS = re.findall(r"```toml\n# towpath\.toml[^\n]*\n(.*?)```", PAGE, re.DOTALL)
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


def test_the_settings_are_a_service_file(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("\n".join(SETTINGS))
    config = load(tmp_path / "towpath.toml", {})
    assert (config.telemetry.metrics.by, config.telemetry.metrics.series) == (("peer", "tenant"), 2000)
    assert tomllib.loads(SETTINGS[0])["service"]["admin"] in PAGE.replace(SETTINGS[0], "")  # as what Prometheus scrapes


def test_the_program_prints_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(FILES["orders.py"])
    done = subprocess.run([sys.executable, "orders.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout, done.stderr) == ("1 order\n", "")


def test_every_query_asks_for_metrics_and_labels_that_there_are() -> None:
    queries = re.findall(r"^\| [^|]+ \| `(.+)` \|$", PAGE, re.MULTILINE)
    assert len(queries) == 7
    names = {name for metric in METRICS for name in (metric.exposed, f"{metric.name}_bucket", f"{metric.name}_count")}
    labels = {label for metric in METRICS for label in metric.labels}
    words = {"sum", "by", "rate", "histogram_quantile", "le", "m", "false", "closed"}
    for query in queries:
        assert set(re.findall(r"[a-z][a-z_]*", query)) <= names | labels | words


def get(url: str, accept: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept}), timeout=120) as response:
        return response.read().decode()


async def test_a_scraper_gets_open_metrics_and_all_buckets_if_it_asks() -> None:
    app = App()
    async with app, admin(app, Address("127.0.0.1", 0)) as address:
        app.add(Echo())
        await app.start("127.0.0.1", 0)
        text = await asyncio.to_thread(get, f"http://{address}/metrics?buckets=fine", "application/openmetrics-text; version=1.0.0")
    served = next(family for family in read_openmetrics(text) if family.name == "rpc_server_call_duration_seconds")
    assert {float(sample.labels["le"]) for sample in served.samples if "le" in sample.labels} == {*FINE, float("inf")}
