"""`towpath doctor`: what would keep the service from starting here, with what to do about it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.app.stage import PATIENCE
from tests.echo_service import Echo
from tests.stores.servers import valkey
from tests.transport.test_tls import Authority
from towpath import App
from towpath._cli import doctor_checks
from towpath._cli.doctor_checks import Check, looked_at, seconds_left
from towpath._cli.main import main
from towpath.settings import load

__all__ = ["valkey"]  # a fixture

CLASS = """
import msgspec

class ShopSettings(msgspec.Struct, frozen=True):
    currency: str
"""


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor_checks, "PATIENCE", PATIENCE)  # what is there may need more than three seconds on a busy machine


async def found(text: str, **environ: str) -> dict[str, Check]:
    Path("towpath.toml").write_text(text)  # noqa: ASYNC240
    return {check.check: check for check in await looked_at(load(None, environ))}


def test_a_service_that_could_start_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "FAIL" not in output
    assert output.splitlines()[0].split(maxsplit=2) == ["ok", "file", "no towpath.toml in this folder: the defaults hold"]


def test_one_that_could_not_is_status_1_and_the_lines_say_what_to_do(tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (tmp_path / "towpath.toml").write_text(
            f'[service]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n[targets]\ncart = "127.0.0.1:{port}"'
        )
        assert main(["doctor", "--json"]) == 1
    told = {row["check"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (told["listen"]["status"], told["targets.cart"]["status"]) == ("FAIL", "FAIL")
    assert "is in use" in told["listen"]["text"]
    assert told["targets.cart"]["text"].startswith(f"cannot connect to 127.0.0.1:{port}: ")
    assert told["targets.cart"]["text"].endswith("; start it, or set targets.cart")


def test_a_file_that_cannot_be_read_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "towpath.toml").write_text("[service]\nlisen = 1")
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "error: towpath.toml: unknown key service.lisen; did you mean 'listen'\n"


async def test_own_settings_are_read_into_their_class(tmp_path: Path) -> None:
    (tmp_path / "doctor_shop.py").write_text(CLASS)
    (tmp_path / "doctor_broken.py").write_text("1 / 0")
    head = '[service]\nsettings = "doctor_shop:ShopSettings"\n'
    assert (await found(head + "[settings]\ncurrency = 'EUR'"))["settings"][::2] == ("ok", "fit ShopSettings")
    message = "towpath.toml: settings.currency is missing; add it, or set TOWPATH_SETTINGS_CURRENCY"
    assert (await found(head))["settings"] == Check("FAIL", "settings", message)
    unnamed = (await found("[settings]\na = 1"))["settings"]
    assert (unnamed.status, '"shop.settings:ShopSettings" in [service]' in unnamed.text) == ("note", True)
    broken = (await found('[service]\nsettings = "doctor_broken:Shop"'))["settings"]
    assert broken[::2] == ("FAIL", "ZeroDivisionError: division by zero; the service would end with this, too")


async def test_contracts_are_imported() -> None:
    told = await found('[service]\ncontracts = ["echo.v1.echo_towpath"]')
    assert told["contracts"].status == "ok"
    told = await found('[service]\ncontracts = ["nowhere"]')
    assert told["contracts"].text.startswith("towpath.toml: service.contracts: nowhere cannot be imported")


async def test_addresses_are_tried(tmp_path: Path) -> None:
    told = await found('[service]\nlisten = "0.0.0.0:0"\nadmin = "127.0.0.1:0"')
    assert told["listen"].text == told["admin"].text == "a free port of its own choice"
    assert told["plaintext"].status == "FAIL"
    assert (await found("", TOWPATH_LISTEN_FD="3"))["listen"].text == "inherited as descriptor 3"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("taken.sock")
        listener.listen()
        told = await found('[service]\nlisten = "unix:taken.sock"')
        assert told["listen"].text.endswith("unix:taken.sock is in use, or the file is no socket; choose another path")
    told = await found('[service]\nlisten = "unix:taken.sock"')  # which nobody listens on any more
    assert (told["listen"][::2], (tmp_path / "taken.sock").exists()) == (("ok", "unix:taken.sock is free"), True)
    told = await found('[service]\nlisten = "unix:towpath.toml"')
    assert told["listen"].status == "FAIL"
    told = await found('[service]\nlisten = "unix:no/where.sock"')
    assert told["listen"].text.endswith("no is no folder that this user may write; make it, or choose another path")


def test_too_few_files_are_a_note(tmp_path: Path) -> None:
    (tmp_path / "towpath.toml").write_text("[service.connections]\nmax_connections = 7000")
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)); "
    script = f"{limited}from towpath._cli.main import main; sys.exit(main(['doctor']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    said = "enough for 168 of service.connections.max_connections = 7000 connections; raise the hard limit (ulimit -Hn)"
    assert f"note  open files   {said}\n" in done.stdout


async def test_enough_files_are_fine() -> None:
    assert (await found("[service.connections]\nmax_connections = 10"))["open files"].status == "ok"


async def test_a_clock_behind_the_file_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await found(""))["clock"].status in {"ok", "note"}  # as the machine is
    config = load(None, {})
    os.utime("towpath.toml", (4e9, 4e9))
    assert {check.check: check.status for check in await looked_at(config)}["clock"] == "FAIL"
    monkeypatch.setattr(doctor_checks.sys, "platform", "darwin")
    os.utime("towpath.toml", (0, 0))
    assert {check.check: check.status for check in await looked_at(config)}["clock"] == "ok"


async def test_certificates_are_looked_at(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    soon = datetime.now(UTC) + timedelta(days=2)
    certificate, key = authority.issue("soon", "localhost", expires=soon)
    assert 0 < seconds_left(certificate, key) <= 2 * 86_400
    long = datetime.now(UTC) + timedelta(days=100)
    authority.issue("long", "localhost", expires=long)
    authority.issue("over", "localhost", expires=datetime.now(UTC) - timedelta(days=3))
    statuses: dict[str, str] = {}
    for name in ("soon", "long", "over", "none"):
        told = await found(f'[service.tls]\ncertificate = "{name}.pem"\nkey = "{name}.key"')
        statuses[name] = told["service.tls"].status
    assert statuses == {"soon": "note", "long": "ok", "over": "FAIL", "none": "FAIL"}
    assert (await found('[tls]\nca = "ca.pem"'))["tls"].status == "ok"
    assert (await found('[tls]\nca = "none.pem"'))["tls"].status == "FAIL"
    assert (await found('[tls]\ncertificate = "long.pem"\nkey = "long.key"'))["tls"].status == "ok"


async def test_stores_are_asked_and_no_password_is_shown(valkey: str, port: int, tmp_path: Path) -> None:
    address = valkey
    told = await found(f'[service]\nidempotency = "{address}"\nquota_store = "{address}"')
    assert (told["idempotency"].status, told["quota_store"].status) == ("ok", "ok")
    told = await found(f'[service]\nidempotency = "redis://:pw@127.0.0.1:{port}/0"\nquota_store = "redis://:pw@127.0.0.1:{port}/0"')
    assert (told["idempotency"].status, told["quota_store"].status) == ("FAIL", "FAIL")
    assert "pw" not in told["idempotency"].text + told["quota_store"].text
    told = await found(f'[service]\nidempotency = "postgresql://shop:pw@127.0.0.1:{port}/shop"')
    assert told["idempotency"].status == "FAIL"
    assert "pw" not in told["idempotency"].text
    assert told["idempotency"].text.endswith("; check towpath.toml: service.idempotency")
    assert (await found('[service]\nidempotency = "sqlite:///keys.db"'))["idempotency"].status == "ok"
    assert not (tmp_path / "keys.db").exists()
    assert (await found('[service]\nidempotency = "sqlite:///no/keys.db"'))["idempotency"].status == "FAIL"
    assert (await found('[service]\nidempotency = "nothing"'))["idempotency"].status == "FAIL"


async def test_targets_are_asked_for_their_health() -> None:
    async def away() -> bool:
        return False

    async with App() as well, App() as ill, App() as silent:
        ill.ready("db", away)
        for app in (well, ill):
            app.add(Echo())
            await app.start()
        lines = f'well = "{well.address}"\nill = "{ill.address}"\nremote = "203.0.113.1:80"'
        told = await found(f"[targets]\n{lines}")
    assert told["targets.well"] == Check("ok", "targets.well", f"{well.address} serves")
    assert told["targets.ill"].status == "note"
    assert told["targets.remote"].status == "FAIL"  # plaintext to another machine
    assert silent.address == ""


async def test_a_target_without_health_answers_all_the_same() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    from towpath._transport import Server

    server = Server([Echo()])
    await server.start()
    deaf = await asyncio.start_server(refuses, "127.0.0.1", 0)
    address = "{}:{}".format(*deaf.sockets[0].getsockname())
    told: Any = await found(f'[targets]\nbare = "{server.address}"\ndeaf = "{address}"')
    await server.close(0)
    deaf.close()
    await deaf.wait_closed()
    assert told["targets.bare"] == Check("ok", "targets.bare", f"{server.address} answers")
    assert told["targets.deaf"].status == "FAIL"
