"""Blocks of settings on the pages: each can be read as the file that it is part of."""

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from towpath._app.system.system_file import load as load_system
from towpath._cli.main import main
from towpath.settings import load

PAGES = (
    "add-a-service.md",
    "check-the-service-graph.md",
    "deploy.md",
    "idempotency.md",
    "reach-several-servers.md",
    "retry-and-shed.md",
    "tls.md",
)
TABLES = [
    (f"{page}:{block.line}", block.body)
    for page in PAGES
    for block in blocks(page, (ROOT / "docs" / "howto" / page).read_text())
    if block.kind == "toml"
]
FILES = {place: body for place, body in TABLES if "[services." not in body}
(SYSTEM,) = (body for _, body in TABLES if "[services." in body)
CHECK = "towpath check system.toml"
"""The command of the page about the graph."""


@pytest.mark.parametrize("place", FILES)
def test_a_table_of_a_page_is_part_of_a_service_file(tmp_path: Path, place: str) -> None:
    (tmp_path / "towpath.toml").write_text(FILES[place])
    load(tmp_path / "towpath.toml", {})


def test_there_are_some() -> None:
    assert len(FILES) == 13


def test_the_entry_of_a_service_is_part_of_a_system_file(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services/fares.toml").write_text("")
    (tmp_path / "system.toml").write_text(f'{SYSTEM}\n[services.flights]\nmodule = "flights"\n')
    assert "fares" in load_system(tmp_path / "system.toml").services


def test_the_graph_of_skyline_is_checked_as_the_page_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT / "reference" / "skyline")
    assert main(CHECK.split()[1:]) == 0
    page = (ROOT / "docs/howto/check-the-service-graph.md").read_text()
    assert f"$ {CHECK}\n{capsys.readouterr().out}" in page
