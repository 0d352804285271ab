"""The plugin as a repository uses it: in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

GENERATED = Path(__file__).parents[1] / "gen"

TEST = """
def test_seed(simulation):
    async def main(run):
        assert run.seed != 7
    simulation(main)
"""


SERVICES = """
import asyncio
import threading

import pytest
from echo.v1.echo_fakes import FakeEchoService
from echo.v1.echo_pb2 import SayRequest, SayResponse
from echo.v1.echo_towpath import EchoServiceClient, EchoServiceSyncClient
from towpath import App, CallOptions
from towpath.testing import serving
from towpath.testing.fixtures import Serve, ServeSystem

PATIENT = CallOptions(timeout=120)
FAKE = FakeEchoService(say=SayResponse(n=7))


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "towpath-serving"]


def test_plain(serve: Serve):
    served = serve(FAKE)
    assert EchoServiceSyncClient(served.sync_channel).say(SayRequest(), PATIENT).n == 7
    assert serve(FAKE).address != served.address


def test_plain_system(serve_system: ServeSystem):
    async def main(app: App) -> None:
        assert app.config.target("echo").address == app.config.target("Echo").address
        app.add(FAKE)

    system = serve_system(echo=FAKE, relay=main)
    assert EchoServiceSyncClient(system.sync_channel("relay")).say(SayRequest(), PATIENT).n == 7


@pytest.mark.anyio
async def test_asynchronous(serve: Serve):
    async with serve(FAKE).connect() as channel:
        assert (await EchoServiceClient(channel).say(SayRequest(), PATIENT)).n == 7


@pytest.mark.anyio
async def test_in_its_own_loop():
    async with serving(FAKE) as served:
        assert (await EchoServiceClient(served.channel).say(SayRequest(), PATIENT)).n == 7


@pytest.fixture
async def client():
    async with serving(FAKE) as served:
        yield EchoServiceClient(served.channel)


@pytest.mark.anyio
async def test_a_fixture_of_anyio(client):
    assert (await client.say(SayRequest(), PATIENT)).n == 7


@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def pytest_in(folder: Path, *arguments: str, test: str = TEST, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_seed.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def test_a_failure_names_its_seed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["towpath.testing.fixtures"]\n')
    outcome = pytest_in(tmp_path, "--towpath-seed", "7")
    assert outcome.returncode == 1
    assert "see it again with --towpath-seed 7" in outcome.stdout


def test_without_a_seed_it_is_0_wherever_the_plugin_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from towpath.testing.fixtures import simulation\n")
    assert pytest_in(tmp_path).returncode == 0


def test_services_are_served_for_plain_tests_and_for_those_of_an_asyncio_plugin(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["towpath.testing.fixtures"]\n')
    # anyio's plugin stands for all of them. It loads itself wherever it is installed.
    outcome = pytest_in(tmp_path, "-W", "error", test=SERVICES, PYTHONPATH=str(GENERATED))
    assert outcome.returncode == 0, outcome.stdout
    assert "5 passed" in outcome.stdout
