"""`towpath config`: every setting in force, its source, and no secret."""

import json
import re
import sys
from pathlib import Path

import pytest

from towpath._cli.main import main

FILE = """
[service]
name = "shop"
listen = "127.0.0.1:8080"
settle = "2s"
idempotency = "redis://:pw@cache:6379/0"
owns = ["orders"]

[service.connections]
max_connections = 7000

[targets]
cart = "127.0.0.1:8081"

[targets.stock]
address = "dns:///stock:8082"
balancer = "round_robin"

[[methodConfig]]
name = [{ service = "shop.v1.Shop" }]
timeout = "0.5s"

[settings]
currency = "EUR"
db_password = "hidden"
"""

CLASS = """
import msgspec

class Database(msgspec.Struct, frozen=True):
    url: str = "postgresql://shop:pw@db/shop"

class ShopSettings(msgspec.Struct, frozen=True):
    currency: str = "USD"
    db_password: str = ""
    page_size: int = 20
    database: Database = Database()
"""


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "towpath.toml").write_text(FILE)


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, tuple[object, str]]:
    assert main(["config", "--json", *arguments]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({line["key"] for line in lines}) == len(lines)
    return {line["key"]: (line["value"], line["source"]) for line in lines}


def test_each_setting_has_its_value_and_its_source(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_LISTEN", "127.0.0.1:9")
    monkeypatch.setenv("TOWPATH_TARGET_CART", "127.0.0.1:10")
    monkeypatch.setenv("TOWPATH_TARGET_NEW", "127.0.0.1:11")
    monkeypatch.setenv("TOWPATH_SETTINGS_CURRENCY", "CHF")
    monkeypatch.setenv("TOWPATH_INSECURE", "1")
    told = rows(capsys)
    assert told["file"] == ("towpath.toml", "default")
    assert told["service.name"] == ("shop", "towpath.toml: service.name")
    assert told["service.listen"] == ("127.0.0.1:9", "TOWPATH_LISTEN")
    assert told["service.insecure"] == (True, "TOWPATH_INSECURE")
    assert told["service.grace"] == ("5s", "default")
    assert told["service.owns"] == (["orders"], "towpath.toml: service.owns")
    assert told["service.connections.max_connections"] == ("7000", "towpath.toml: service.connections.max_connections")
    assert told["service.connections.max_per_peer"][1] == "default"
    assert told["targets.cart"] == ("127.0.0.1:10", "TOWPATH_TARGET_CART")
    assert told["targets.new"] == ("127.0.0.1:11", "TOWPATH_TARGET_NEW")
    assert told["targets.stock.balancer"] == ("round_robin", "towpath.toml: targets.stock.balancer")
    assert told["methodConfig[0].timeout"] == ("0.5s", "towpath.toml: methodConfig[0].timeout")
    assert told["settings.currency"] == ("CHF", "TOWPATH_SETTINGS_CURRENCY")


def test_what_a_target_does_not_set_is_shown_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    told = rows(capsys)
    for name in ("cart", "stock"):  # an address alone, and a table
        assert told[f"targets.{name}.connect_timeout"] == ("20s", "default")
        assert told[f"targets.{name}.retry_budget.ratio"][1] == "default"
        assert told[f"targets.{name}.layers"] == ("none", "default")
    assert told["targets.cart.balancer"] == ("peak_ewma", "default")
    assert not any(key.startswith("targets.stock.address") for key in told)


def test_what_one_word_of_a_target_decides_has_its_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tables = "breaker = { min_calls = 7 }\noutlier_detection = false\nhttp2 = { stream_window = 70000 }\nheader_limit = 8192\n"
    (tmp_path / "towpath.toml").write_text(FILE.replace('balancer = "round_robin"\n', tables))
    told = rows(capsys)
    assert told["targets.stock.outlier_detection"] == (False, "towpath.toml: targets.stock.outlier_detection")
    assert told["targets.stock.http2.stream_window"] == (70000, "towpath.toml: targets.stock.http2.stream_window")
    assert told["targets.stock.http2.max_frame_size"][1] == "default"
    assert told["targets.stock.breaker.min_calls"] == (7, "towpath.toml: targets.stock.breaker.min_calls")
    assert told["targets.stock.breaker"] == ("on", "default")
    assert told["targets.stock.retry_budget.ratio"][1] == "default"


def test_no_secret_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_SETTINGS_API_KEY", "hidden")
    monkeypatch.setenv("TOWPATH_QUOTA_STORE", "redis://user:pw@cache:6379/1")
    assert main(["config"]) == 0
    output = capsys.readouterr().out
    assert not re.search(r"hidden|pw@", output)
    assert re.search(r"^service.idempotency +redis://:\*\*\*@cache:6379/0 +file$", output, re.MULTILINE)
    assert re.search(r"^settings.api_key +\*\*\* +TOWPATH_SETTINGS_API_KEY$", output, re.MULTILINE)


def test_what_has_its_default_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert not [source for _, source in rows(capsys, "--changed").values() if source == "default"]


def test_own_settings_of_a_class_have_its_defaults_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config_shop.py").write_text(CLASS)
    (tmp_path / "towpath.toml").write_text(FILE.replace("[service]", '[service]\nsettings = "config_shop:ShopSettings"'))
    told = rows(capsys)
    assert told["settings.currency"] == ("EUR", "towpath.toml: settings.currency")
    assert told["settings.page_size"] == (20, "default")
    assert told["settings.db_password"][0] == "***"
    assert told["settings.database.url"] == ("postgresql://shop:***@db/shop", "default")


def test_the_class_of_a_project_that_is_not_installed_is_found_beside_its_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "config_beside.py").write_text(CLASS)
    (project / "towpath.toml").write_text('[service]\nsettings = "config_beside:ShopSettings"')
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert rows(capsys, "--config", "project/towpath.toml")["settings.page_size"] == (20, "default")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ShopSettings", "'ShopSettings' names no class; write module:Class, such as shop.settings:ShopSettings"),
        ("nowhere:Shop", "nowhere cannot be imported: No module named 'nowhere'; is its package installed?"),
        ("json:Shop", "json has no class Shop; check the name"),
        ("json:dumps", "json has no class dumps; check the name"),
    ],
)
def test_a_class_that_is_not_there_is_status_2(given: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(f'[service]\nsettings = "{given}"')
    assert main(["config"]) == 2
    assert capsys.readouterr().err == f"error: towpath.toml: service.settings: {message}\n"


def test_without_a_file_the_defaults_hold(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TOWPATH_LOG_FORMAT")
    (tmp_path / "towpath.toml").unlink()
    told = rows(capsys)
    assert told["file"] == ("none", "default")
    assert {source for _, source in told.values()} == {"default"}


def test_a_named_file_wins_over_the_variable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_CONFIG", "other.toml")
    assert main(["config"]) == 2
    assert rows(capsys, "--config", "towpath.toml")["service.name"][0] == "shop"
