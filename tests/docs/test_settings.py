"""The page of settings can be read as a service file, and has every setting and every variable that a user sets."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.app.stage import PATIENCE, importable
from towpath._app.settings import (
    declarations,
    fallback,
    method_config,
    quotas_and_bulkheads,
    resilience,
    server_options,
    service_file,
    targets,
    tls,
)
from towpath._app.settings.server import cors, messages
from towpath._app.settings.telemetry import logs, table
from towpath._cli import doctor_checks
from towpath._cli.main import main
from towpath._core.errors import SetupError
from towpath.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "settings.md").read_text()
TABLES = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
PROGRAMS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
MODULES = (
    declarations,
    fallback,
    method_config,
    quotas_and_bulkheads,
    resilience,
    server_options,
    service_file,
    targets,
    tls,
    cors,
    messages,
    logs,
    table,
)
STRUCTS = sorted(
    {kind for module in MODULES for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, msgspec.Struct)}, key=str
)


def test_its_tables_are_a_service_file(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text(TABLES)
    config = load(tmp_path / "towpath.toml", {})
    assert config.name == "search"


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_it_has_every_setting(struct: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert {key for key in keys if not re.search(rf"\b{key}\b", TABLES)} == set()


def own_settings(folder: Path, table: str, **variables: str) -> tuple[int, str]:
    """The status and the output of the page's program with `[settings]` of `table`."""
    for name, text in PROGRAMS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "towpath.toml").write_text(table)
    done = subprocess.run(
        [sys.executable, "-m", "shop.main"],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout or done.stderr


def test_the_settings_of_its_own_are_read_and_refused_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importable(monkeypatch)
    assert set(PROGRAMS) == {"shop/settings.py", "shop/main.py"}
    table = TABLES[TABLES.index("\n[settings]\n") :].partition("[[calls]]")[0]
    assert own_settings(tmp_path, table, TOWPATH_SETTINGS_PAGE_SIZE="20") == (0, "20 items a page, in EUR, within 0.5 s\n")
    space: dict[str, Any] = {"__name__": "shop.settings"}
    exec(PROGRAMS["shop/settings.py"], space)
    for refused, variables in (
        (table.replace("page_size", "pagesize"), {}),
        (table, {"TOWPATH_SETTINGS_PAGE_SIZE": "many"}),
        ("[settings]", {}),
    ):
        (tmp_path / "towpath.toml").write_text(refused)
        with pytest.raises(SetupError) as caught:
            load(tmp_path / "towpath.toml", variables).own.read(space["ShopSettings"])
        assert f"error: {caught.value}\n".replace(f"{tmp_path}/", "") in PAGE


def test_the_lines_of_the_doctor_are_its_own(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor_checks, "PATIENCE", PATIENCE)
    (tmp_path / "towpath.toml").write_text(f"[targets]\ncart = '127.0.0.1:{port}'")
    assert main(["config", "--changed"]) == 0
    assert main(["doctor"]) == 1
    output = capsys.readouterr().out
    assert re.search(r"^ok    file +towpath.toml$", output, re.MULTILINE)
    assert re.search(rf"^FAIL  targets.cart +cannot connect to 127.0.0.1:{port}: .*; start it, or set targets.cart$", output, re.MULTILINE)
