"""`towpath top` as a command: once, in JSON, and live on a terminal."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from echo.v1.echo_pb2 import SayRequest
from echo.v1.echo_towpath import EchoServiceClient

from tests.app.stage import importable
from tests.echo_service import Echo
from towpath import App, connect
from towpath._app.process.admin_server import admin, local_admin
from towpath._app.settings.service_file import ServiceConfig
from towpath._cli.main import main
from towpath._telemetry.runtime_folder import VARIABLE
from towpath._transport import Address


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importable(monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path))


@asynccontextmanager
async def shop() -> AsyncIterator[str]:
    """A service that runs, with its admin address."""
    app = App(ServiceConfig(name="shop"))
    app.add(Echo())
    async with app, admin(app, Address("127.0.0.1", 0)) as address, local_admin(app):
        await app.start("127.0.0.1", 0)
        async with connect(app.address) as channel:
            await EchoServiceClient(channel).say(SayRequest())
        yield address


def own_socket() -> Path:
    """The admin socket of the one process that runs."""
    (path,) = Path(os.environ[VARIABLE]).rglob("*.admin")
    return path


async def run(*arguments: str) -> tuple[int, str, str]:

    command = [sys.executable, "-m", "towpath", "top", "--every", "0.1", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


async def test_the_processes_of_this_user_are_found() -> None:
    async with shop():
        status, output, errors = await run()
    assert (status, errors) == (0, "")
    assert output.splitlines()[0].startswith("1 service  ")
    assert output.splitlines()[3].split()[0] == "shop"


async def test_a_process_is_found_by_the_name_of_its_service_and_by_its_id() -> None:
    async with shop():
        status, output, errors = await run("shop", str(os.getpid()), "--json")
        assert (status, errors) == (0, "")
        assert json.loads(output)["processes"] == 1
        status, output, errors = await run("shop", "cart", "--json")
        assert (status, json.loads(output)["name"]) == (0, "shop")
        assert errors == "left out: cart: no service of this user with this name, or process with this id, runs here\n"
        path = own_socket().with_name("old-1.admin")  # of a process that does not speak this contract
        async with await asyncio.start_unix_server(lambda _, writer: writer.close(), path):
            assert (await run())[::2] == (0, "")
        status, output, errors = await run("cart")
        assert (status, output) == (2, "")
        assert errors == "error: no process answers; cart: no service of this user with this name, or process with this id, runs here\n"


async def test_a_process_is_found_by_its_admin_address() -> None:
    async with shop() as address:
        status, output, _ = await run(address, "--json")
    assert status == 0
    assert json.loads(output)["name"] == "shop"


async def test_without_a_process_the_user_is_told_what_to_do() -> None:
    status, output, errors = await run()
    assert (status, output) == (2, "")
    assert errors == "error: no service of this user runs here; start one, or name the admin address of a process (service.admin)\n"


async def test_an_address_without_a_process(port: int) -> None:
    status, _, errors = await run(f"127.0.0.1:{port}")
    assert status == 2
    assert errors.startswith(f"error: no process answers; 127.0.0.1:{port}: ")


@pytest.mark.parametrize("every", ["0", "nan", "61", "-1"])
def test_an_interval_out_of_range(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", f"--every={every}"]) == 2
    assert capsys.readouterr().err.endswith("give 0.1 to 60 seconds\n")


class Terminal:
    """A command on a terminal, and what it has written there."""

    def __init__(self, command: list[str]) -> None:
        self._own, theirs = pty.openpty()
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self._seen = ""

    def press(self, keys: str) -> None:
        os.write(self._own, keys.encode())

    def until(self, pattern: str) -> str:
        """Read until the screen has something that matches, and forget what was read."""
        while (match := re.search(pattern, self._seen)) is None:
            self._seen += os.read(self._own, 65536).decode(errors="replace")
        self._seen = self._seen[match.end() :]
        return match.group()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    screen = Terminal([sys.executable, "-m", "towpath", "top", "--every", "0.1", *arguments])
    try:
        yield screen
    finally:
        screen.close()


async def test_keys_on_a_terminal() -> None:

    def use() -> int:
        with terminal() as screen:
            screen.until(r"1 service  ")
            screen.until(r"q quit  s sort  / find  by rate/s")
            screen.press("s")
            screen.until(r"by err%")
            screen.press("\x1b[A")  # an arrow, which means nothing
            screen.press("/nobody\x7f")
            screen.until(r"find: nobod_")
            screen.press("\r")
            screen.until(r"q quit")
            screen.press("/\x1b")
            screen.until(r"\bshop\b")
            screen.press("q")
            screen.until(re.escape("\x1b[?1049l"))
            return screen.process.wait(120)

    async with shop():
        assert await asyncio.to_thread(use) == 0


async def test_a_process_that_goes_is_told_of() -> None:

    def watch(gone: asyncio.Event, loop: asyncio.AbstractEventLoop, address: str) -> None:
        with terminal(address) as screen:
            screen.until(r"1 service  ")
            loop.call_soon_threadsafe(gone.set)
            screen.until(re.escape(f"no answer: {address}"))
            screen.press("\x03")

    gone = asyncio.Event()
    async with shop() as address:
        watching = asyncio.create_task(asyncio.to_thread(watch, gone, asyncio.get_running_loop(), address))
        await gone.wait()
    await watching
