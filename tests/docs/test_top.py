"""The guide to `towpath top`: its commands are run beside a service."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.stage import importable
from tests.echo_service import Echo
from towpath import App
from towpath._app.process.admin_server import admin, local_admin
from towpath._app.settings.service_file import ServiceConfig
from towpath._telemetry.runtime_folder import VARIABLE
from towpath._transport import Address

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "top.md"
COMMANDS = (
    "towpath top --json",
    "curl 'http://127.0.0.1:9090/towpath.admin.v1.AdminService/GetProcess?connect=v1&encoding=json&message=%7B%7D'",
)


def test_the_guide_has_these_commands() -> None:
    assert [command for command in COMMANDS if command not in GUIDE.read_text()] == []


async def test_the_commands_tell_of_a_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    app = App(ServiceConfig(name="shop"))
    app.add(Echo())
    top, curl = COMMANDS
    async with app, admin(app, Address("127.0.0.1", 0)) as address, local_admin(app):
        await app.start("127.0.0.1", 0)
        shown = await output(top.replace("towpath", f"{sys.executable} -m towpath"))
        asked = await output(curl.replace("curl", "curl --silent").replace("127.0.0.1:9090", address))
    assert (json.loads(shown)["name"], json.loads(asked)["service"]) == ("shop", "shop")


async def output(command: str) -> str:
    done = await asyncio.to_thread(subprocess.run, command, shell=True, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
