"""`towpath dev` as a person meets it: files are saved, and services follow."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.app.stage import PATIENCE, importable, system
from towpath._cli.main import main
from towpath._scaffold.answers import checked
from towpath._scaffold.project import make_service


@pytest.fixture(autouse=True)
def _children_can_import(monkeypatch):
    importable(monkeypatch)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "towpath", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], *texts: str) -> list[dict[str, str]]:
    """The lines up to those that have `texts`, in this order."""
    lines: list[dict[str, str]] = []
    wanted = list(texts)
    for line in process.stdout:
        lines.append(json.loads(line))
        if wanted[0] in lines[-1]["message"]:
            del wanted[0]
            if not wanted:
                return lines
    pytest.fail(f"{wanted[0]!r} was never printed: {lines} {process.stderr.read()}")


def edit(path: Path, old: str, new: str) -> None:
    """Put the file in its place whole, as editors do. A look between the two halves of a write would find it empty."""
    text = path.read_text()
    assert old in text
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text.replace(old, new))
    beside.replace(path)


@pytest.mark.timeout(1800)
def test_a_service_follows_its_files(tmp_path):
    """From the first start over a contract, a fault of Python and a fault of a contract to a service that is mended."""
    folder = make_service(checked("shop"), tmp_path).folder
    handlers, contract = folder / "src/shop/service.py", folder / "proto/shop/v1/shop.proto"
    with running(folder, "dev", "--listen", "shop=127.0.0.1:0") as process:
        (ready,) = [line["message"] for line in until(process, "shop is ready at") if "ready" in line["message"]]
        address = ready.split(" ")[4].rstrip(";")
        assert ready == f'shop is ready at {address}; try: towpath call {address} ShopService/Greet \'{{"name": "name"}}\''

        edit(contract, "  string text = 1;", "  string text = 1;\n  int32 length = 2;")
        until(process, "2 files written, 0 removed", "shop starts anew: shop_pb2.py", f"shop is ready at {address}; ")
        assert "length" in (folder / "src/shop/v1/shop_pb2.pyi").read_text()

        edit(handlers, "class Shop(", "class Shop(Missing, ")
        crash = until(
            process, "shop starts anew: service.py changed", "shop exited with status 1; it starts again when a file of it changes"
        )
        assert sum("Traceback" in line["message"] for line in crash) == 1

        edit(contract, "int32 length", "int31 length")
        fault = until(process, "the contracts were not compiled: ", "hint: ")
        assert "int31" in fault[-2]["message"]
        edit(contract, "int31 length", "int32 length")
        edit(handlers, "Missing, ", "")
        until(process, f"shop is ready at {address}; ")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert json.loads(process.stdout.read().splitlines()[-1]) == {"service": "towpath", "message": "stopped"}
        assert process.stderr.read() == ""


def test_only_the_picked_services_of_a_system_start(tmp_path):
    path = system(tmp_path, echo="serve", relay="relay\ncalls = ['echo']", dead="dies")
    with running(tmp_path, "dev", str(path), "--only", "echo", "--only", "dead") as process:
        lines = until(process, "dead exited with status 3")
        if not any("echo is ready at" in line["message"] for line in lines):
            lines += until(process, "echo is ready at")
        assert {line["service"] for line in lines} == {"towpath", "echo", "dead"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_up_watches_too(tmp_path):
    path = system(tmp_path, dead="dies")
    with running(tmp_path, "up", str(path), "--watch", "--log", "json") as process:
        until(process, "dead exited with status 3; it starts again when a file of it changes")
        edit(path, "[services.dead]", "\n[services.dead]")
        until(process, "system.toml has changed; start towpath dev again to have it read")


def test_a_reader_that_goes_away_ends_it_without_a_traceback(tmp_path):
    path = system(tmp_path, echo="serve")
    with running(tmp_path, "dev", str(path)) as process:
        until(process, "echo is ready at")
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 1
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev"], "there is neither system.toml nor towpath.toml in this folder; go to a service's folder, or name its file"),
        (["dev", "nowhere.toml"], "nowhere.toml: no such file; check the path"),
        (["dev", "s/system.toml", "--only", "x"], "--only: there is no service 'x'; "),
        (["dev", "s/system.toml", "--listen", "x"], "--listen: 'x' names no service; write NAME=HOST:PORT"),
        (["dev", "s/system.toml", "--module", "x"], "--module: s/system.toml is a system file, which names the modules itself"),
        (["up", "s/system.toml", "--watch", "--metrics", "."], "--metrics: does not go with --watch"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    system(tmp_path / "s", echo="serve")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
