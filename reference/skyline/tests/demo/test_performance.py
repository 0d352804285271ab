"""The demonstration as a person runs it: real processes, an answer that the data file confirms, and nothing left running at the end."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from skyline.demo.__main__ import main

DEMO = [sys.executable, "-m", "skyline.demo"]
ENDLESS = [*DEMO, "--calls", "10000000"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80"} | variables
    calm = () if "--trouble" in arguments else ("--trouble", "0")
    return subprocess.run([*DEMO, *arguments, *calm], capture_output=True, text=True, env=environment, timeout=300, check=False)


def on_a_quiet_machine(test: Callable[[], None]) -> Callable[[], None]:
    """Repeat `test` up to four times. Its calls have one second by their contracts, and those for the weather a quarter. A machine that is
    busy for so long is no fault of what is tested."""

    @functools.wraps(test)
    def repeated() -> None:
        for _ in range(4):
            with contextlib.suppress(AssertionError, ValueError):
                return test()
        return test()

    return repeated


@pytest.fixture
def endless() -> Iterator[subprocess.Popen[str]]:
    """A demonstration under way: its services are ready and calls are made."""
    with subprocess.Popen(ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "calls to search" in line:
                break
        yield process
        process.kill()


def services_of(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return {child.cmdline()[-1].rpartition(".")[2]: child for child in children}


@on_a_quiet_machine
def test_it_ends_with_a_report_whose_flights_are_those_of_the_data_file() -> None:
    played = run("--calls", "60", "--concurrency", "4")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "60 of 60 calls, 0 failed" in played.stdout
    for hop in (
        r"demo calls SearchFlights \(whole\)",
        "search serves SearchFlights",
        "search calls ListFlights",
        "weather serves ListObservations",
    ):
        assert re.search(rf"{hop} +60 +0 ", played.stdout), hop
    shown = re.search(r"^flight .*?(?=^Check it)", played.stdout, re.DOTALL | re.MULTILINE)
    command = re.search(r"-m (skyline\.data .*)$", played.stdout, re.MULTILINE)
    assert shown
    assert command
    checked = subprocess.run([sys.executable, "-m", *command[1].split()], capture_output=True, text=True, check=True)
    assert [line.split() for line in shown[0].splitlines()] == [line.split() for line in checked.stdout.splitlines()]
    assert len(checked.stdout.splitlines()) == 11


@on_a_quiet_machine
def test_nobody_is_left_without_an_answer_while_one_hangs_one_is_slow_and_one_is_killed() -> None:
    played = run("--calls", "20", "--trouble", "12", "--concurrency", "4")
    assert played.returncode == 0, played.stdout + played.stderr

    def row(name: str) -> tuple[int, int]:
        """Answers without weather, and without a price, of 12 calls of which none failed."""
        found = re.search(rf"^{name} +12 +0 +(\d+) +(\d+) ", played.stdout, re.MULTILINE)
        assert found, name
        return int(found[1]), int(found[2])

    well = row("all was well again")
    hung, slow, gone = row("weather hung"), row("pricing took 2 s"), row("inventory was gone")
    assert (hung[0] > well[0], hung[1]) == (True, 0)
    assert (slow[0], slow[1] > well[1]) == (well[0], True)
    assert gone == well
    assert "12 are held exactly once." in played.stdout
    assert "fallback VALUE: 24" in " ".join(played.stdout.split())


@on_a_quiet_machine
def test_the_same_seed_shows_the_same_answer() -> None:
    def shown(seed: str) -> str:
        report = run("--calls", "20", "--concurrency", "1", "--seed", seed).stdout
        return report[report.index("The first flights") : report.index("Where the slowest call was slow")]

    assert shown("5") == shown("5")


def test_missing_data_is_said_before_anything_starts() -> None:
    played = run(SKYLINE_DATA="nowhere.skyline")
    assert played.returncode == 2
    assert played.stderr.startswith("error: data file nowhere.skyline cannot be read")
    assert played.stdout == ""


@pytest.mark.parametrize("option", ["--calls", "--concurrency"])
@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_count_that_is_none_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={value}"])
    assert ended.value.code == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(endless: subprocess.Popen[str], number: signal.Signals) -> None:
    services = services_of(endless)
    assert set(services) == {"airports", "fleet", "flights", "gateway", "inventory", "pricing", "search", "weather"}
    endless.send_signal(number)
    _, errors = endless.communicate(timeout=120)
    assert endless.returncode == 130
    assert "Traceback" not in errors
    gone, alive = psutil.wait_procs(services.values(), timeout=120)
    assert alive == []
    assert len(gone) == 8


def test_a_service_that_dies_ends_it_all_and_is_named(endless: subprocess.Popen[str]) -> None:
    services = services_of(endless)
    services["weather"].kill()
    _, errors = endless.communicate(timeout=120)
    assert endless.returncode == 1
    assert errors.startswith("error: weather ")
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(services.values(), timeout=120)
    assert alive == []


def test_the_data_that_the_demonstration_needs_is_in_the_repository() -> None:
    assert (Path(__file__).parents[2] / "data" / "nycflights13-2013-01.skyline").is_file()
